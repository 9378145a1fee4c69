// Every change by a person or a machine, and whether the record of them is whole.
import { Button } from 'antd';
import { useTranslation } from 'react-i18next';
import { useNotice } from '../ui/notice';
import { get } from '../api/client';
import type { AuditRecord } from '../api/types';
import { usePages } from '../ui/pages';
import { At, Failure, Page } from '../ui/show';
import { DataTable, type Column } from '../ui/table';
import '../generated/rest.css';

export default function Audit() {
  const { t } = useTranslation();
  const message = useNotice();
  const pages = usePages<AuditRecord>('/v1/audit', {}, 'records', 'after', { limit: 200 });
  const verify = async () => {
    try {
      const verdict = await get<{ whole: boolean; number: number; problem?: string }>('/v1/audit/verdict');
      if (verdict.whole) void message.success(t('audit.whole', { number: verdict.number }));
      else void message.error(t('audit.broken', { problem: verdict.problem }), 0);
    } catch (error) {
      void message.error(error instanceof Error ? error.message : String(error), 8);
    }
  };
  const columns: Column<AuditRecord>[] = [
    { key: 'number', title: '#', text: (each) => each.number, sortable: true, align: 'right' },
    { key: 'at', title: t('common.time'), text: (each) => each.at, render: (_, each) => <At at={each.at} /> },
    { key: 'actor', title: t('audit.actor'), text: (each) => each.actor, sortable: true },
    { key: 'address', title: t('audit.address'), text: (each) => each.address },
    { key: 'action', title: t('audit.action'), text: (each) => each.action, sortable: true },
    { key: 'target', title: t('audit.target'), text: (each) => each.target },
    { key: 'status', title: t('audit.status'), text: (each) => each.status, align: 'right' },
    { key: 'detail', title: t('common.description'), text: (each) => each.detail },
  ];
  if (pages.asked.error && pages.rows.length === 0) return <Failure error={pages.asked.error} retry={() => void pages.asked.refetch()} />;
  return (
    <Page title={t('audit.title')} extra={<Button onClick={() => void verify()}>{t('audit.verify')}</Button>}>
      <DataTable name="audit" columns={columns} rows={pages.rows} rowKey={(each) => String(each.number)} empty={t('audit.empty')} loading={pages.asked.isPending} more={pages.more} loadingMore={pages.asked.isFetchingNextPage} all={pages.all} />
    </Page>
  );
}
