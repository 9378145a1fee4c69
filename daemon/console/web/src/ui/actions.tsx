// Actions and what became of them: sent, held back, unknown, dead; with the words why, and the ways to mend it.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, Button, Descriptions, Space } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotice } from './notice';
import { useReason } from './reason';
import { get, post, segment } from '../api/client';
import type { Action } from '../api/types';
import { usePages } from './pages';
import { may, useSession } from './session';
import { At, CustomerLink, Failure, Loaded, RuleLink, StateTag, valueText } from './show';
import { DataTable, type Column } from './table';


function One({ id }: { id: string }) {
  const { t } = useTranslation();
  const message = useNotice();
  const session = useSession();
  const client = useQueryClient();
  const ask = useReason();
  const asked = useQuery({ queryKey: ['action', id], queryFn: () => get<Action>(`/v1/actions/${segment(id)}`) });
  const change = async (what: 'retry' | 'discard', reason: string) => {
    try {
      await post(`/v1/actions/${segment(id)}/${what}`, { reason });
      void message.success(t('common.done'));
      await client.invalidateQueries();
    } catch (error) {
      void message.error(error instanceof Error ? error.message : String(error), 8);
    }
  };
  return (
    <Loaded asked={asked}>
      {(action) => (
        <Space orientation="vertical" style={{ width: '100%' }}>
          {action.state === 'unknown' && <Alert type="warning" showIcon title={t('deliveries.unknown')} />}
          {action.note && <Alert type="info" title={action.note} />}
          {action.payload && (
            <Descriptions bordered column={1} size="small" title={t('deliveries.payload')} items={Object.entries(action.payload).map(([name, value]) => ({ key: name, label: name, children: <span className="breakable">{valueText(value)}</span> }))} />
          )}
          {action.attempts && action.attempts.length > 0 && (
            <>
              <strong>{t('deliveries.attempts')}</strong>
              <ol>
                {action.attempts.map((attempt, at) => (
                  <li key={at} className="breakable">
                    {Object.entries(attempt)
                      .map(([name, value]) => `${name}: ${valueText(value)}`)
                      .join(' · ')}
                  </li>
                ))}
              </ol>
            </>
          )}
          {may(session, 'operator') && (action.state === 'dead' || action.state === 'unknown') && (
            <Space>
              <Button type="primary" onClick={() => void change('retry', '')}>
                {t('deliveries.retry')}
              </Button>
              <Button onClick={() => ask(t('deliveries.discard'), (reason) => change('discard', reason))}>{t('deliveries.discard')}</Button>
            </Space>
          )}
        </Space>
      )}
    </Loaded>
  );
}

export function Actions({ rule, customer, state, kind, filters }: { rule?: string; customer?: string; state?: string; kind?: string; filters?: ReactNode }) {
  const { t } = useTranslation();
  const session = useSession();
  const pages = usePages<Action>('/v1/actions', { rule, customer, state, kind }, 'actions', 'before', { every: 5000 });
  const columns: Column<Action>[] = [
    { key: 'at', title: t('common.time'), text: (each) => each.at, render: (_, each) => <At at={each.at} /> },
    { key: 'state', title: t('common.state'), text: (each) => each.state, render: (_, each) => <StateTag state={each.state} /> },
    { key: 'kind', title: t('deliveries.kind'), text: (each) => each.kind },
    ...(customer ? [] : [{ key: 'customer', title: t('common.customer'), text: (each: Action) => each.customer, render: (_: unknown, each: Action) => <CustomerLink id={each.customer} /> }]),
    ...(rule ? [] : [{ key: 'rule', title: t('common.rule'), text: (each: Action) => each.rule, render: (_: unknown, each: Action) => <RuleLink name={each.rule} /> }]),
    { key: 'connector', title: t('deliveries.connector'), text: (each) => each.connector },
    { key: 'tries', title: t('deliveries.tries'), text: (each) => each.tries, align: 'right' },
    { key: 'why', title: t('common.why'), text: (each) => each.note || each.reason, render: (_, each) => <span className="cut">{each.note || each.reason}</span> },
  ];
  if (pages.asked.error && pages.rows.length === 0) return <Failure error={pages.asked.error} retry={() => void pages.asked.refetch()} />;
  return (
    <DataTable
      name="actions"
      columns={columns}
      rows={pages.rows}
      rowKey={(each) => each.id}
      empty={t('deliveries.empty')}
      filters={filters}
      loading={pages.asked.isPending}
      more={pages.more}
      loadingMore={pages.asked.isFetchingNextPage}
      all={pages.all}
      expand={may(session, 'salesperson', 'manager', 'operator') ? (each) => <One id={each.id} /> : undefined}
    />
  );
}
