import { Alert, Button, Card, Form, Input, Typography } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError, post } from '../api/client';
import { chooseLanguage } from '../i18n';
import { Failure } from '../ui/show';

export default function Login({ entered }: { entered: () => void }) {
  const { t, i18n } = useTranslation();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const enter = async (given: { user: string; password: string }) => {
    setBusy(true);
    try {
      await post('/v1/session', given);
      entered();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const wrong = error instanceof ApiError && error.status === 401;
  return (
    <main className="login">
      <Card>
        <Typography.Title level={1} style={{ fontSize: 24 }}>
          {t('app.name')}
        </Typography.Title>
        {wrong && <Alert type="error" showIcon title={t('login.failed')} />}
        {error !== null && !wrong && <Failure error={error} />}
        <Form layout="vertical" onFinish={enter} requiredMark={false} style={{ marginTop: 16 }}>
          <Form.Item name="user" label={t('login.user')} rules={[{ required: true, message: t('login.user') }]}>
            <Input autoComplete="username" autoFocus size="large" />
          </Form.Item>
          <Form.Item name="password" label={t('login.password')} rules={[{ required: true, message: t('login.password') }]}>
            <Input.Password autoComplete="current-password" size="large" />
          </Form.Item>
          <Button type="primary" htmlType="submit" block size="large" loading={busy}>
            {t('login.button')}
          </Button>
        </Form>
        <p className="quiet breakable">{t('login.help')}</p>
        <Button type="link" onClick={() => void chooseLanguage(i18n.language === 'zh' ? 'en' : 'zh')}>
          {t('app.language')}
        </Button>
      </Card>
    </main>
  );
}
