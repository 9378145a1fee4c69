// One funnel: how many opportunities are in each stage, how many moved on, and what they are worth.
import { lazy, Suspense, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { DataTable, type Column } from './table';
import { amountOf, number, span } from './time';

const Chart = lazy(() => import('./chart'));

export interface Stage {
  name: string;
  description: string;
  probability: number;
  open: number;
  amount: string;
  forecast: string;
  stalled: number;
  reached: number;
  moved_on: number;
  conversion: number | null;
  average_age_ms: number | null;
}
export interface FunnelOf {
  name: string;
  description: string;
  open: number;
  stalled: number;
  amount: string;
  forecast: string;
  stages: Stage[];
  won: { count: number; amount: string };
  lost: { count: number; amount: string; reasons: { reason: string; count: number }[] };
}

export function Stages({ funnel }: { funnel: FunnelOf }) {
  const { t } = useTranslation();
  const option = useMemo(
    () => ({
      tooltip: { trigger: 'item', renderMode: 'richText' },
      series: [
        {
          type: 'funnel',
          sort: 'none',
          minSize: '8%',
          left: 'center',
          width: '92%',
          top: 4,
          bottom: 4,
          gap: 2,
          label: { position: 'inside', formatter: '{b}: {c}', color: '#fff', textBorderColor: '#1b2430', textBorderWidth: 2 },
          data: [...funnel.stages.map((each) => ({ name: each.name, value: each.reached })), { name: t('disposition.won'), value: funnel.won.count }],
        },
      ],
    }),
    [funnel, t],
  );
  const columns: Column<Stage>[] = [
    { key: 'name', title: t('funnel.stage'), text: (each) => each.name },
    { key: 'open', title: t('funnel.open'), text: (each) => each.open, align: 'right', render: (_, each) => number(each.open) },
    { key: 'amount', title: t('funnel.amount'), text: (each) => each.amount, align: 'right', render: (_, each) => amountOf(each.amount) },
    { key: 'probability', title: t('funnel.probability'), text: (each) => each.probability, align: 'right', render: (_, each) => `${each.probability} %` },
    { key: 'forecast', title: t('funnel.forecast'), text: (each) => each.forecast, align: 'right', render: (_, each) => amountOf(each.forecast) },
    { key: 'reached', title: t('funnel.reached'), text: (each) => each.reached, align: 'right', render: (_, each) => number(each.reached) },
    { key: 'conversion', title: t('funnel.conversion'), text: (each) => each.conversion, align: 'right', render: (_, each) => (each.conversion === null ? '–' : `${each.conversion} %`) },
    { key: 'age', title: t('funnel.age'), text: (each) => each.average_age_ms, align: 'right', render: (_, each) => (each.average_age_ms === null ? '–' : span(each.average_age_ms)) },
    { key: 'stalled', title: t('funnel.stalled'), text: (each) => each.stalled, align: 'right', render: (_, each) => <span className={each.stalled > 0 ? 'is-bad' : ''}>{number(each.stalled)}</span> },
  ];
  const figures: [string, string][] = [
    [t('funnel.open'), number(funnel.open)],
    [t('funnel.amount'), amountOf(funnel.amount)],
    [t('funnel.forecast'), amountOf(funnel.forecast)],
    [t('funnel.stalled'), number(funnel.stalled)],
    [`${t('disposition.won')} · ${number(funnel.won.count)}`, amountOf(funnel.won.amount)],
    [`${t('funnel.lost')} · ${number(funnel.lost.count)}`, amountOf(funnel.lost.amount)],
  ];
  return (
    <>
      <h2>{funnel.name}</h2>
      {funnel.description && <p>{funnel.description}</p>}
      <dl className="figures">
        {figures.map(([words, value]) => (
          <div className="figure" key={words}>
            <dt>{words}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Suspense fallback={null}>
        <div className="funnel">
          <Chart label={`${funnel.name}: ${t('funnel.reached')}`} height={60 + funnel.stages.length * 44} option={option} />
        </div>
      </Suspense>
      <DataTable name={`funnel-${funnel.name}`} columns={columns} rows={funnel.stages} rowKey={(each) => each.name} empty={t('table.empty')} />
      {funnel.lost.reasons.length > 0 && <p className="quiet">{t('funnel.lostWhy', { reasons: funnel.lost.reasons.map((each) => `${each.reason || '–'}: ${number(each.count)}`).join(', ') })}</p>}
    </>
  );
}
