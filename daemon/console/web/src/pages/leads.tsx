// Leads: what lies in the pools, to be claimed, and who has what; given back, closed, handed on.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, Button, Input, Modal, Select, Space } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { get, post, segment } from '../api/client';
import type { Time } from '../api/types';
import { useNotice } from '../ui/notice';
import { usePages } from '../ui/pages';
import { useReason } from '../ui/reason';
import { may, personOf, useSession } from '../ui/session';
import { At, CustomerLink, Failure, Loaded, Page, StateTag } from '../ui/show';
import { DataTable, type Column } from '../ui/table';
import { useUrlState } from '../ui/url';
import '../generated/rest.css';

interface Pool {
  name: string;
  description: string;
  team: string;
  public: boolean;
  waiting: number;
  owned: number;
  claims: { per_day: number; owned_at_most: number };
  return_reasons: string[];
  close_reasons: string[];
  mine?: { may_claim: boolean; owned: number; claimed_today: number };
}
interface Lead {
  customer: string;
  state: 'pooled' | 'owned' | 'closed';
  pool: string;
  owner: string;
  owner_name: string;
  since: Time;
  followed: Time | null;
  last_owner: string;
  reason: string;
}

function Pools({ pools }: { pools: Pool[] }) {
  const { t } = useTranslation();
  return (
    <ul className="people">
      {pools.map((pool) => (
        <li className="person" key={pool.name}>
          <strong>{pool.name}</strong>
          <p className="quiet">{pool.description || (pool.public ? t('leads.public') : pool.team)}</p>
          <span>
            {t('leads.waiting', { count: pool.waiting })} · {t('leads.owned', { count: pool.owned })}
          </span>
          {pool.mine && (
            <p className="quiet">
              {t('leads.mine', { owned: pool.mine.owned, most: pool.claims.owned_at_most || '∞', today: pool.mine.claimed_today, day: pool.claims.per_day || '∞' })}
            </p>
          )}
        </li>
      ))}
    </ul>
  );
}

// One of the reasons that the pool's rules list.
function Reason({ title, reasons, choose, close }: { title: string; reasons: string[]; choose: (reason: string) => void; close: () => void }) {
  const { t } = useTranslation();
  const [reason, setReason] = useState<string>();
  return (
    <Modal open title={title} okText={t('common.confirm')} cancelText={t('common.cancel')} okButtonProps={{ disabled: !reason }} onCancel={close} onOk={() => reason && choose(reason)}>
      <Select aria-label={t('common.reason')} placeholder={t('common.reason')} style={{ width: '100%' }} value={reason} onChange={setReason} options={reasons.map((value) => ({ value, label: value }))} />
    </Modal>
  );
}

export default function Leads() {
  const { t } = useTranslation();
  const session = useSession();
  const client = useQueryClient();
  const notice = useNotice();
  const ask = useReason();
  const [url, setUrl] = useUrlState();
  const state = url['state'] ?? 'open';
  const pools = useQuery({ queryKey: ['pools'], queryFn: () => get<{ pools: Pool[] }>('/v1/pools'), refetchInterval: 5000 });
  const leads = usePages<Lead>('/v1/leads', { state, pool: url['pool'], q: url['q'] }, 'leads', 'cursor', { limit: 100, every: 5000 });
  const act = async (what: string, lead: Lead, body: object) => {
    try {
      await post(`/v1/leads/${segment(lead.customer)}/${what}`, body);
      void notice.success(t('common.done'));
    } catch (error) {
      void notice.error(error instanceof Error ? error.message : String(error), 8);
      throw error;
    } finally {
      await Promise.all([client.invalidateQueries({ queryKey: ['/v1/leads'] }), client.invalidateQueries({ queryKey: ['pools'] })]);
    }
  };
  const [leaving, setLeaving] = useState<{ lead: Lead; what: 'return' | 'close'; reasons: string[] } | null>(null);
  const leave = (lead: Lead, what: 'return' | 'close') => {
    const pool = pools.data?.pools.find((each) => each.name === lead.pool);
    const reasons = (what === 'return' ? pool?.return_reasons : pool?.close_reasons) ?? [];
    if (reasons.length > 0) setLeaving({ lead, what, reasons });
    else ask(t(`leads.${what}`), (reason) => act(what, lead, { reason }), lead.customer);
  };
  const commands = may(session, 'manager');
  const acts = (lead: Lead) => {
    const mayClaim = pools.data?.pools.find((each) => each.name === lead.pool)?.mine?.may_claim ?? false;
    return (
      <Space wrap>
        {lead.state === 'pooled' && mayClaim && (
          <Button type="primary" onClick={() => void act('claim', lead, {}).catch(() => {})}>
            {t('leads.claim')}
          </Button>
        )}
        {lead.state === 'owned' && (lead.owner === personOf(session) || commands) && <Button onClick={() => leave(lead, 'return')}>{t('leads.return')}</Button>}
        {lead.state !== 'closed' && (lead.owner === personOf(session) || commands) && <Button onClick={() => leave(lead, 'close')}>{t('leads.close')}</Button>}
      </Space>
    );
  };
  const columns: Column<Lead>[] = [
    { key: 'customer', title: t('common.customer'), text: (each) => each.customer, render: (_, each) => <CustomerLink id={each.customer} /> },
    { key: 'state', title: t('common.state'), text: (each) => each.state, render: (_, each) => <StateTag state={each.state} /> },
    { key: 'pool', title: t('leads.pool'), text: (each) => each.pool, sortable: true },
    { key: 'owner', title: t('team.person'), text: (each) => each.owner_name || each.owner, sortable: true },
    { key: 'since', title: t('common.since'), text: (each) => each.since, sortable: true, render: (_, each) => <At at={each.since} /> },
    { key: 'followed', title: t('leads.followed'), text: (each) => each.followed, sortable: true, render: (_, each) => <At at={each.followed} none={t('common.never')} /> },
    { key: 'reason', title: t('common.reason'), text: (each) => each.reason, render: (_, each) => <span className="cut">{each.reason}</span> },
    { key: 'act', title: t('leads.act'), text: () => '', render: (_, each) => acts(each) },
  ];
  return (
    <Page title={t('leads.title')}>
      <Loaded asked={pools}>
        {({ pools: all }) =>
          all.length === 0 ? (
            <Alert type="info" showIcon title={t('leads.none')} />
          ) : (
            <>
              <Pools pools={all} />
              <h2>{t('leads.list')}</h2>
              {leads.asked.error && leads.rows.length === 0 ? (
                <Failure error={leads.asked.error} retry={() => void leads.asked.refetch()} />
              ) : (
                <DataTable
                  name="leads"
                  columns={columns}
                  rows={leads.rows}
                  rowKey={(each) => each.customer}
                  empty={t('leads.empty')}
                  loading={leads.asked.isPending}
                  more={leads.more}
                  loadingMore={leads.asked.isFetchingNextPage}
                  all={leads.all}
                  filters={
                    <>
                      <Input.Search allowClear aria-label={t('leads.search')} placeholder={t('leads.search')} defaultValue={url['q']} onChange={(event) => setUrl({ q: event.target.value })} />
                      <Select aria-label={t('leads.pool')} style={{ minWidth: 160 }} value={url['pool'] ?? ''} onChange={(pool) => setUrl({ pool })} options={[{ value: '', label: `${t('leads.pool')}: ${t('table.any')}` }, ...all.map(({ name }) => ({ value: name, label: name }))]} />
                      <Select aria-label={t('common.state')} style={{ minWidth: 130 }} value={state} onChange={(next) => setUrl({ state: next })} options={(['open', 'pooled', 'owned', 'closed', 'all'] as const).map((value) => ({ value, label: value === 'all' ? t('common.all') : t(`state.${value}`) }))} />
                    </>
                  }
                />
              )}
            </>
          )
        }
      </Loaded>
      {leaving && (
        <Reason
          title={`${t(`leads.${leaving.what}`)}: ${leaving.lead.customer}`}
          reasons={leaving.reasons}
          close={() => setLeaving(null)}
          choose={(reason) => {
            setLeaving(null);
            void act(leaving.what, leaving.lead, { reason }).catch(() => {});
          }}
        />
      )}
    </Page>
  );
}
