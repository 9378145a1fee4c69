// The funnel: what is under way in which stage, what it is worth, what is stalled, and who has it.
import { useQuery } from '@tanstack/react-query';
import { Alert, Button, Select, Tag } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { get } from '../api/client';
import { NewOpportunity } from '../ui/new-opportunity';
import { OpportunityOf, type Opportunity } from '../ui/opportunity';
import { usePages } from '../ui/pages';
import { may, useSession } from '../ui/session';
import { CustomerLink, Failure, Loaded, Page, StateTag } from '../ui/show';
import { Stages, type FunnelOf } from '../ui/stages';
import { DataTable, type Column } from '../ui/table';
import { amountOf, span } from '../ui/time';
import { useUrlState } from '../ui/url';
import '../generated/rest.css';

const states = ['open', 'stalled', 'won', 'lost', 'all'] as const;

export default function Funnel() {
  const { t } = useTranslation();
  const [url, setUrl] = useUrlState();
  const mayChange = may(useSession(), 'salesperson', 'manager');
  const [making, setMaking] = useState(false);
  const state = url['state'] ?? 'open';
  const funnels = useQuery({ queryKey: ['funnel'], queryFn: () => get<{ funnels: FunnelOf[] }>('/v1/funnel'), refetchInterval: 10_000 });
  const pages = usePages<Opportunity>('/v1/opportunities', { state, funnel: url['funnel'], stage: url['stage'] }, 'opportunities', 'cursor', { limit: 100, every: 10_000 });
  const columns: Column<Opportunity>[] = [
    { key: 'customer', title: t('common.customer'), text: (each) => each.customer, render: (_, each) => <CustomerLink id={each.customer} /> },
    { key: 'title', title: t('funnel.what'), text: (each) => each.title, render: (_, each) => <span className="cut">{each.title}</span> },
    { key: 'stage', title: t('funnel.stage'), text: (each) => each.stage, sortable: true },
    {
      key: 'state',
      title: t('common.state'),
      text: (each) => (each.stalled ? 'stalled' : each.state),
      render: (_, each) => (each.stalled ? <Tag color="error">{t('funnel.stalled')}</Tag> : <StateTag state={each.state} />),
    },
    { key: 'amount', title: t('funnel.amount'), text: (each) => each.amount, align: 'right', render: (_, each) => amountOf(each.amount) },
    { key: 'owner', title: t('team.person'), text: (each) => each.owner, sortable: true },
    { key: 'age', title: t('funnel.age'), text: (each) => each.stage_age_ms, sortable: true, render: (_, each) => span(each.stage_age_ms) },
    { key: 'tasks', title: t('funnel.tasksLeft'), text: (each) => each.tasks_left, align: 'right' },
  ];
  return (
    <Page title={t('funnel.title')} extra={mayChange && (funnels.data?.funnels.length ?? 0) > 0 && <Button type="primary" onClick={() => setMaking(true)}>{t('funnel.new')}</Button>}>
      <Loaded asked={funnels}>
        {({ funnels: all }) => {
          const chosen = all.filter((each) => !url['funnel'] || each.name === url['funnel']);
          const stagesOf = (name: string) => all.find((each) => each.name === name)?.stages.map((each) => each.name) ?? [];
          if (all.length === 0) return <Alert type="info" showIcon title={t('funnel.none')} />;
          return (
            <>
              {chosen.map((each) => (
                <Stages key={each.name} funnel={each} />
              ))}
              <h2>{t('funnel.list')}</h2>
              {pages.asked.error && pages.rows.length === 0 ? (
                <Failure error={pages.asked.error} retry={() => void pages.asked.refetch()} />
              ) : (
                <DataTable
                  name="opportunities"
                  columns={columns}
                  rows={pages.rows}
                  rowKey={(each) => each.id}
                  empty={t('funnel.empty')}
                  loading={pages.asked.isPending}
                  more={pages.more}
                  loadingMore={pages.asked.isFetchingNextPage}
                  all={pages.all}
                  expand={(each) => <OpportunityOf id={each.id} stages={stagesOf(each.funnel)} />}
                  filters={
                    <>
                      <Select aria-label={t('funnel.title')} style={{ minWidth: 160 }} value={url['funnel'] ?? ''} onChange={(funnel) => setUrl({ funnel, stage: undefined })} options={[{ value: '', label: `${t('funnel.title')}: ${t('table.any')}` }, ...all.map(({ name }) => ({ value: name, label: name }))]} />
                      <Select aria-label={t('funnel.stage')} style={{ minWidth: 160 }} value={url['stage'] ?? ''} onChange={(stage) => setUrl({ stage })} options={[{ value: '', label: `${t('funnel.stage')}: ${t('table.any')}` }, ...[...new Set(chosen.flatMap((each) => stagesOf(each.name)))].map((value) => ({ value, label: value }))]} />
                      <Select aria-label={t('common.state')} style={{ minWidth: 130 }} value={state} onChange={(next) => setUrl({ state: next })} options={states.map((value) => ({ value, label: t(`funnel.state.${value}`) }))} />
                    </>
                  }
                />
              )}
            </>
          );
        }}
      </Loaded>
      {making && <NewOpportunity funnels={funnels.data?.funnels.map(({ name }) => name) ?? []} close={() => setMaking(false)} />}
    </Page>
  );
}
