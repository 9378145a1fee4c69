// Who is in a segment, now or at an instant.
import { DatePicker, Space } from 'antd';
import dayjs from 'dayjs';
import { useTranslation } from 'react-i18next';
import { segment } from '../api/client';
import { usePages } from './pages';
import { CustomerLink, Failure } from './show';
import { DataTable, type Column } from './table';
import { number } from './time';
import { useUrlState } from './url';

export function Members({ name }: { name: string }) {
  const { t } = useTranslation();
  const [url, setUrl] = useUrlState();
  const at = url['at'];
  const members = usePages<string>(`/v1/segments/${segment(name)}/members`, { at }, 'members', 'after', { limit: 100 });
  const rows = members.rows.map((id) => ({ id }));
  const columns: Column<{ id: string }>[] = [{ key: 'id', title: t('common.customer'), text: (each) => each.id, render: (_, each) => <CustomerLink id={each.id} /> }];
  const total = members.first?.['total'] as number | undefined;
  if (members.asked.error && rows.length === 0) return <Failure error={members.asked.error} retry={() => void members.asked.refetch()} />;
  return (
    <>
      {total !== undefined && <p>{t(at ? 'segment.totalAt' : 'segment.total', { count: number(total) })}</p>}
      <DataTable
        name={`segment-${name}`}
        columns={columns}
        rows={rows}
        rowKey={(each) => each.id}
        empty={t('table.empty')}
        loading={members.asked.isPending}
        more={members.more}
        loadingMore={members.asked.isFetchingNextPage}
        all={async (progress) => (await members.all(progress)).map((id) => ({ id }))}
        filters={
          <Space>
            <DatePicker showTime aria-label={t('segment.at')} placeholder={t('segment.at')} value={at ? dayjs(at) : null} onChange={(next) => setUrl({ at: next?.toISOString() })} />
          </Space>
        }
      />
    </>
  );
}
