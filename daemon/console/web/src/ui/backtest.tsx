// What a draft would have done: firings a day beside the rules in force, and for whom they differ.
import { Descriptions } from 'antd';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Json } from '../api/types';
import Chart from './chart';
import { CustomerLink } from './show';
import { number } from './time';

interface Run {
  fired: number;
  customers: number;
  held: number;
  actions: number;
  fired_per_day: number[];
}
interface Report {
  customers: number;
  events: number;
  days: string[];
  rules: { name: string; change: string; draft: Run | null; live: Run | null; difference: { only_draft: { total: number; customers: string[] }; only_live: { total: number; customers: string[] } } | null }[];
  notes: string[];
}

function OfRule({ days, rule }: { days: string[]; rule: Report['rules'][number] }) {
  const { t } = useTranslation();
  const option = useMemo(
    () => ({
      legend: { top: 0 },
      grid: { left: 8, right: 16, top: 32, bottom: 8, containLabel: true },
      xAxis: { type: 'category', data: days },
      yAxis: { type: 'value', minInterval: 1 },
      series: [
        { name: t('backtest.draft'), type: 'line', showSymbol: false, step: 'end', data: rule.draft?.fired_per_day ?? [] },
        { name: t('backtest.live'), type: 'line', showSymbol: false, step: 'end', lineStyle: { type: 'dashed' }, data: rule.live?.fired_per_day ?? [] },
      ],
    }),
    [days, rule, t],
  );
  const figures = (run: Run | null) => (run ? t('backtest.figures', { fired: number(run.fired), customers: number(run.customers), held: number(run.held), actions: number(run.actions) }) : t('common.none'));
  const some = (customers: string[]) =>
    customers.slice(0, 20).map((id) => (
      <span key={id}>
        <CustomerLink id={id} />{' '}
      </span>
    ));
  return (
    <>
      <h2>{rule.name}</h2>
      <Descriptions
        bordered
        size="small"
        column={1}
        items={[
          { key: 'draft', label: t('backtest.draft'), children: figures(rule.draft) },
          { key: 'live', label: t('backtest.live'), children: figures(rule.live) },
          ...(rule.difference
            ? [
                { key: 'only-draft', label: t('backtest.onlyDraft'), children: <>{number(rule.difference.only_draft.total)} {some(rule.difference.only_draft.customers)}</> },
                { key: 'only-live', label: t('backtest.onlyLive'), children: <>{number(rule.difference.only_live.total)} {some(rule.difference.only_live.customers)}</> },
              ]
            : []),
        ]}
      />
      <Chart label={`${rule.name}: ${t('rules.fired')}`} option={option} />
    </>
  );
}

export default function BacktestReport({ report }: { report: Json }) {
  const { t } = useTranslation();
  const { days, rules, notes, customers, events } = report as unknown as Report;
  return (
    <>
      <p>{t('backtest.over', { customers: number(customers), events: number(events) })}</p>
      {rules.map((rule) => (
        <OfRule key={rule.name} days={days} rule={rule} />
      ))}
      <ul className="quiet">
        {notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
    </>
  );
}
