// Accounts of people and tokens of machines.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Form, Input, InputNumber, Modal, Popconfirm, Select, Tag, Typography } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotice } from '../ui/notice';
import { del, get, post, segment } from '../api/client';
import type { Role, Token, User } from '../api/types';
import { At, Loaded, Page } from '../ui/show';
import { DataTable, type Column } from '../ui/table';
import '../generated/rest.css';

const roles: Role[] = ['ingest', 'viewer', 'salesperson', 'manager', 'author', 'operator', 'admin'];
const RoleTags = ({ of }: { of: Role[] }) => (
  <>
    {of.map((role) => (
      <Tag key={role}>{role}</Tag>
    ))}
  </>
);

function NewOne({ what, close }: { what: 'user' | 'token'; close: () => void }) {
  const { t } = useTranslation();
  const message = useNotice();
  const [modal, dialogs] = Modal.useModal();
  const client = useQueryClient();
  const [form] = Form.useForm<{ name: string; roles: Role[]; password?: string; expires_days?: number }>();
  const make = async () => {
    const given = await form.validateFields();
    try {
      const made = await post<{ token?: string }>(what === 'user' ? '/v1/users' : '/v1/tokens', given);
      if (made.token) modal.success({ title: t('people.tokenOnce'), content: <Typography.Text code copyable>{made.token}</Typography.Text> });
      await client.invalidateQueries();
      close();
    } catch (error) {
      void message.error(error instanceof Error ? error.message : String(error), 8);
    }
  };
  return (
    <Modal open title={what === 'user' ? t('people.new') : t('people.newToken')} okText={t('common.save')} cancelText={t('common.cancel')} onOk={() => void make()} onCancel={close}>
      {dialogs}
      <Form form={form} layout="vertical" autoComplete="off">
        <Form.Item name="name" label={t('common.name')} rules={[{ required: true }]}>
          <Input autoComplete="off" />
        </Form.Item>
        <Form.Item name="roles" label={t('people.roles')} rules={[{ required: true }]}>
          <Select mode="multiple" options={roles.map((role) => ({ value: role, label: role }))} />
        </Form.Item>
        {what === 'user' ? (
          <Form.Item name="password" label={t('login.password')} rules={[{ required: true, min: 12 }]}>
            <Input.Password autoComplete="new-password" />
          </Form.Item>
        ) : (
          <Form.Item name="expires_days" label={t('people.days')} initialValue={365}>
            <InputNumber min={1} max={3650} />
          </Form.Item>
        )}
      </Form>
    </Modal>
  );
}

export default function People() {
  const { t } = useTranslation();
  const message = useNotice();
  const client = useQueryClient();
  const [making, setMaking] = useState<'user' | 'token' | null>(null);
  const users = useQuery({ queryKey: ['users'], queryFn: () => get<{ users: User[] }>('/v1/users') });
  const tokens = useQuery({ queryKey: ['tokens'], queryFn: () => get<{ tokens: Token[] }>('/v1/tokens') });
  const attempt = async (what: () => Promise<unknown>) => {
    try {
      await what();
      void message.success(t('common.done'));
    } catch (error) {
      void message.error(error instanceof Error ? error.message : String(error), 8);
    }
    await client.invalidateQueries();
  };
  const ofUsers: Column<User>[] = [
    { key: 'name', title: t('common.name'), text: (each) => each.name, sortable: true },
    { key: 'roles', title: t('people.roles'), text: (each) => each.roles.join(' '), render: (_, each) => <RoleTags of={each.roles} /> },
    { key: 'created', title: t('people.created'), text: (each) => each.created, render: (_, each) => <At at={each.created} /> },
    {
      key: 'disabled',
      title: t('common.state'),
      text: (each) => (each.disabled ? t('people.disable') : ''),
      render: (_, each) => <Button onClick={() => void attempt(() => post(`/v1/users/${segment(each.name)}`, { disabled: !each.disabled }))}>{each.disabled ? t('people.enable') : t('people.disable')}</Button>,
    },
  ];
  const ofTokens: Column<Token>[] = [
    { key: 'name', title: t('common.name'), text: (each) => each.name, sortable: true },
    { key: 'roles', title: t('people.roles'), text: (each) => each.roles.join(' '), render: (_, each) => <RoleTags of={each.roles} /> },
    { key: 'created', title: t('people.created'), text: (each) => each.created, render: (_, each) => <At at={each.created} /> },
    { key: 'expires', title: t('people.expires'), text: (each) => each.expires, render: (_, each) => <At at={each.expires} none={t('common.never')} /> },
    {
      key: 'revoke',
      title: t('common.state'),
      text: (each) => each.revoked,
      render: (_, each) =>
        each.revoked ? (
          <At at={each.revoked} />
        ) : (
          <Popconfirm title={`${t('people.revoke')}: ${each.name}?`} okText={t('common.confirm')} cancelText={t('common.cancel')} onConfirm={() => attempt(() => del(`/v1/tokens/${segment(each.id)}`))}>
            <Button danger>{t('people.revoke')}</Button>
          </Popconfirm>
        ),
    },
  ];
  return (
    <Page title={t('people.title')}>
      <h2>{t('people.users')}</h2>
      <Loaded asked={users}>
        {(answer) => (
          <DataTable name="users" columns={ofUsers} rows={answer.users} rowKey={(each) => each.name} empty={t('people.empty')} filters={<Button type="primary" onClick={() => setMaking('user')}>{t('people.new')}</Button>} />
        )}
      </Loaded>
      <h2>{t('people.tokens')}</h2>
      <Loaded asked={tokens}>
        {(answer) => (
          <DataTable name="tokens" columns={ofTokens} rows={answer.tokens} rowKey={(each) => each.id} empty={t('people.emptyTokens')} filters={<Button type="primary" onClick={() => setMaking('token')}>{t('people.newToken')}</Button>} />
        )}
      </Loaded>
      {making && <NewOne what={making} close={() => setMaking(null)} />}
    </Page>
  );
}
