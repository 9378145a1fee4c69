// Decisions: for whom a rule fired, what held it back, and what made it look.
import { Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import type { Decision } from '../api/types';
import { usePages } from './pages';
import { At, CustomerLink, Failure, RuleLink } from './show';
import { DataTable, type Column } from './table';

export function Decisions({ rule, customer, empty }: { rule?: string; customer?: string; empty: string }) {
  const { t } = useTranslation();
  const pages = usePages<Decision>('/v1/decisions', { rule, customer }, 'decisions', 'before', { every: 5000 });
  const columns: Column<Decision>[] = [
    { key: 'at', title: t('common.time'), text: (each) => each.at, render: (_, each) => <At at={each.at} /> },
    ...(rule ? [] : [{ key: 'rule', title: t('common.rule'), text: (each: Decision) => each.rule, render: (_: unknown, each: Decision) => <RuleLink name={each.rule} /> }]),
    ...(customer ? [] : [{ key: 'customer', title: t('common.customer'), text: (each: Decision) => each.customer, render: (_: unknown, each: Decision) => <CustomerLink id={each.customer} /> }]),
    {
      key: 'fired',
      title: t('common.state'),
      text: (each) => (each.fired ? t('customer.fired') : `${t('customer.heldBack')}: ${each.held_by ?? each.held ?? ''}`),
      render: (_, each) => (each.fired ? <Tag color="success">{t('customer.fired')}</Tag> : <Tag color="warning">{each.held_by ?? each.held}</Tag>),
    },
    { key: 'why', title: t('common.why'), text: (each) => each.detail ?? [each.cause.kind, each.cause.event_id ?? each.cause.key].filter(Boolean).join(' ') },
  ];
  if (pages.asked.error && pages.rows.length === 0) return <Failure error={pages.asked.error} retry={() => void pages.asked.refetch()} />;
  return (
    <DataTable
      name="decisions"
      columns={columns}
      rows={pages.rows}
      rowKey={(each) => String(each.number)}
      empty={empty}
      loading={pages.asked.isPending}
      more={pages.more}
      loadingMore={pages.asked.isFetchingNextPage}
      all={pages.all}
    />
  );
}
