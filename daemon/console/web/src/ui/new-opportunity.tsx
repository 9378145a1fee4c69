// Opens an opportunity.
import { useQueryClient } from '@tanstack/react-query';
import { Form, Input, Modal, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { post } from '../api/client';
import { useNotice } from './notice';

interface Given {
  customer: string;
  funnel: string;
  title: string;
  amount?: string;
}

export function NewOpportunity({ funnels, close }: { funnels: string[]; close: () => void }) {
  const { t } = useTranslation();
  const notice = useNotice();
  const client = useQueryClient();
  const [form] = Form.useForm<Given>();
  const make = async () => {
    const { amount, ...given } = await form.validateFields();
    try {
      await post('/v1/opportunities', amount ? { ...given, amount } : given);
      void notice.success(t('common.done'));
      await Promise.all(['/v1/opportunities', 'funnel'].map((key) => client.invalidateQueries({ queryKey: [key] })));
      close();
    } catch (error) {
      void notice.error(error instanceof Error ? error.message : String(error), 8);
    }
  };
  return (
    <Modal open title={t('funnel.new')} okText={t('common.save')} cancelText={t('common.cancel')} onOk={() => void make()} onCancel={close}>
      <Form form={form} layout="vertical" autoComplete="off" initialValues={{ funnel: funnels[0] }}>
        <Form.Item name="customer" label={t('common.customer')} rules={[{ required: true }]}>
          <Input />
        </Form.Item>
        <Form.Item name="title" label={t('funnel.what')} rules={[{ required: true }]}>
          <Input />
        </Form.Item>
        <Form.Item name="funnel" label={t('funnel.title')} rules={[{ required: true }]}>
          <Select options={funnels.map((value) => ({ value, label: value }))} />
        </Form.Item>
        <Form.Item name="amount" label={t('funnel.amount')} rules={[{ pattern: /^\d{1,12}(\.\d{1,6})?$/ }]}>
          <Input inputMode="decimal" />
        </Form.Item>
      </Form>
    </Modal>
  );
}
