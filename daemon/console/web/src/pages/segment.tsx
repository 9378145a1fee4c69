// One segment: its members, now or at an instant.
import { useQuery } from '@tanstack/react-query';
import { DatePicker, Space } from 'antd';
import dayjs from 'dayjs';
import { useTranslation } from 'react-i18next';
import { get, segment } from '../api/client';
import type { Segment as SegmentOf } from '../api/types';
import { usePages } from '../ui/pages';
import { CustomerLink, Failure, Loaded, Page } from '../ui/show';
import { DataTable, type Column } from '../ui/table';
import { number } from '../ui/time';
import { useUrlState } from '../ui/url';
import '../generated/rest.css';

export default function Segment({ name }: { name: string }) {
  const { t } = useTranslation();
  const [url, setUrl] = useUrlState();
  const at = url['at'];
  const asked = useQuery({ queryKey: ['segment', name], queryFn: () => get<SegmentOf>(`/v1/segments/${segment(name)}`), refetchInterval: 5000 });
  const members = usePages<string>(`/v1/segments/${segment(name)}/members`, { at }, 'members', 'after', { limit: 100 });
  const rows = members.rows.map((id) => ({ id }));
  const columns: Column<{ id: string }>[] = [{ key: 'id', title: t('common.customer'), text: (each) => each.id, render: (_, each) => <CustomerLink id={each.id} /> }];
  const total = members.first?.['total'] as number | undefined;
  return (
    <Page title={name}>
      <Loaded asked={asked}>
        {(each) => (
          <>
            {each.description && <p>{each.description}</p>}
            <dl className="figures">
              {(
                [
                  [at ? t('segment.at') : t('segments.members'), total ?? each.members],
                  [t('segments.entered'), each.entered],
                  [t('segments.left'), each.left],
                ] as const
              ).map(([words, value]) => (
                <div className="figure" key={words}>
                  <dt>{words}</dt>
                  <dd>{number(value)}</dd>
                </div>
              ))}
            </dl>
          </>
        )}
      </Loaded>
      {members.asked.error && rows.length === 0 ? (
        <Failure error={members.asked.error} retry={() => void members.asked.refetch()} />
      ) : (
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
      )}
    </Page>
  );
}
