// What did not fit: why, as it came, and the ways to take it in after all.
import { useQueryClient } from '@tanstack/react-query';
import { Button, Space } from 'antd';
import { useTranslation } from 'react-i18next';
import { useNotice } from '../ui/notice';
import { post } from '../api/client';
import type { QuarantineRecord } from '../api/types';
import { useReason } from '../ui/reason';
import { usePages } from '../ui/pages';
import { At, Failure, Page } from '../ui/show';
import { DataTable, type Column } from '../ui/table';
import '../generated/rest.css';

export default function Quarantine() {
  const { t } = useTranslation();
  const message = useNotice();
  const client = useQueryClient();
  const ask = useReason();
  const pages = usePages<QuarantineRecord>('/v1/quarantine', {}, 'records', 'after', { limit: 100, every: 5000 });
  const attempt = async (what: () => Promise<string>) => {
    try {
      void message.success(await what());
    } catch (error) {
      void message.error(error instanceof Error ? error.message : String(error), 8);
    }
    await client.invalidateQueries({ queryKey: ['/v1/quarantine'] });
  };
  const replayAll = () =>
    attempt(async () => {
      const answer = await post<{ replayed: number; still_quarantined: number }>('/v1/quarantine/replay');
      return t('quarantine.replayed', { ok: answer.replayed, bad: answer.still_quarantined });
    });
  const change = (record: QuarantineRecord, what: 'replay' | 'discard', body: object) =>
    attempt(async () => {
      await post(`/v1/quarantine/${record.number}/${what}`, body);
      return t('common.done');
    });
  const columns: Column<QuarantineRecord>[] = [
    { key: 'at', title: t('common.time'), text: (each) => each.at, render: (_, each) => <At at={each.at} /> },
    { key: 'code', title: t('quarantine.code'), text: (each) => each.code },
    { key: 'field', title: t('quarantine.field'), text: (each) => each.field },
    { key: 'reason', title: t('quarantine.reason'), text: (each) => each.reason, render: (_, each) => <span className="cut">{each.reason}</span> },
  ];
  if (pages.asked.error && pages.rows.length === 0) return <Failure error={pages.asked.error} retry={() => void pages.asked.refetch()} />;
  return (
    <Page title={t('quarantine.title')} extra={pages.rows.length > 0 && <Button onClick={() => void replayAll()}>{t('quarantine.replayAll')}</Button>}>
      {pages.rows.length > 0 && <p className="quiet">{t('quarantine.hint')}</p>}
      <DataTable
        name="quarantine"
        columns={columns}
        rows={pages.rows}
        rowKey={(each) => String(each.number)}
        empty={t('quarantine.empty')}
        loading={pages.asked.isPending}
        more={pages.more}
        loadingMore={pages.asked.isFetchingNextPage}
        all={pages.all}
        expand={(record) => (
          <Space orientation="vertical" style={{ width: '100%' }}>
            <strong>{t('quarantine.raw')}</strong>
            <pre className="code">{record.raw ?? record.raw_hex}</pre>
            <Space>
              <Button type="primary" onClick={() => void change(record, 'replay', {})}>
                {t('quarantine.replay')}
              </Button>
              <Button onClick={() => ask(t('quarantine.discard'), (reason) => change(record, 'discard', { reason }))}>{t('quarantine.discard')}</Button>
            </Space>
          </Space>
        )}
      />
    </Page>
  );
}
