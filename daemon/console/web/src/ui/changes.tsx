// Who came into a segment and who left it, the newest first.
import { Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import { segment } from '../api/client';
import { usePages } from './pages';
import { At, CustomerLink, Failure } from './show';
import { DataTable, type Column } from './table';

interface Change {
  customer: string;
  change: 'entered' | 'left';
  at: string;
  silent: boolean;
}

export function Changes({ name }: { name: string }) {
  const { t } = useTranslation();
  const pages = usePages<Change>(`/v1/segments/${segment(name)}/changes`, {}, 'changes', 'cursor', { limit: 100, every: 10_000 });
  const columns: Column<Change>[] = [
    { key: 'at', title: t('common.time'), text: (each) => each.at, render: (_, each) => <At at={each.at} /> },
    { key: 'customer', title: t('common.customer'), text: (each) => each.customer, render: (_, each) => <CustomerLink id={each.customer} /> },
    {
      key: 'change',
      title: t('segment.change'),
      text: (each) => each.change,
      render: (_, each) => (
        <>
          <Tag color={each.change === 'entered' ? 'success' : 'default'}>{t(`segment.${each.change}`)}</Tag>
          {each.silent && <span className="quiet">{t('segment.silent')}</span>}
        </>
      ),
    },
  ];
  if (pages.asked.error && pages.rows.length === 0) return <Failure error={pages.asked.error} retry={() => void pages.asked.refetch()} />;
  return (
    <DataTable
      name={`changes-${name}`}
      columns={columns}
      rows={pages.rows}
      rowKey={(each) => `${each.at} ${each.customer} ${each.change}`}
      empty={t('segment.noChanges')}
      loading={pages.asked.isPending}
      more={pages.more}
      loadingMore={pages.asked.isFetchingNextPage}
      all={pages.all}
    />
  );
}
