// The rules in force: what each did, what was held back, what failed.
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Input, Select } from 'antd';
import { lazy, Suspense, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotice } from '../ui/notice';
import { get, post } from '../api/client';
import type { Rule } from '../api/types';
import { may, useSession } from '../ui/session';
import { useLastDay } from '../ui/series';
import { At, Loaded, Page, RuleLink, StateTag } from '../ui/show';
import { Spark } from '../ui/spark';
import { DataTable, type Column } from '../ui/table';
import { number } from '../ui/time';
import { useUrlState } from '../ui/url';
import '../generated/rest.css';

const Chart = lazy(() => import('../ui/chart'));

function Activity({ rules }: { rules: Rule[] }) {
  const { t } = useTranslation();
  const busy = useMemo(() => rules.filter((rule) => rule.fired + rule.held > 0).sort((a, b) => a.fired + a.held - (b.fired + b.held)).slice(-12), [rules]);
  const option = useMemo(
    () => ({
      legend: { top: 0 },
      grid: { left: 8, right: 24, top: 32, bottom: 8, containLabel: true },
      xAxis: { type: 'value', minInterval: 1 },
      yAxis: { type: 'category', data: busy.map((rule) => rule.name) },
      series: [
        { name: t('rules.fired'), type: 'bar', stack: 'all', data: busy.map((rule) => rule.fired) },
        { name: t('rules.held'), type: 'bar', stack: 'all', data: busy.map((rule) => rule.held) },
      ],
    }),
    [busy, t],
  );
  if (busy.length === 0) return null;
  return (
    <>
      <h2>{t('rules.activity')}</h2>
      <Suspense fallback={null}>
        <Chart label={t('rules.activity')} height={60 + busy.length * 26} option={option} />
      </Suspense>
    </>
  );
}

export default function Rules() {
  const { t } = useTranslation();
  const session = useSession();
  const client = useQueryClient();
  const message = useNotice();
  const [url, setUrl] = useUrlState();
  const asked = useQuery({ queryKey: ['rules'], queryFn: ({ signal }) => get<{ plan: number; rules: Rule[] }>('/v1/rules', {}, signal), refetchInterval: 5000, placeholderData: keepPreviousData });
  const lastDay = useLastDay();
  const curves = useMemo(() => new Map((lastDay.data?.rules ?? []).map((each) => [each.name, each.fired.map((fired, at) => (fired === null ? null : fired + (each.held[at] ?? 0)))])), [lastDay.data]);
  const sumOf = (name: string) => (curves.get(name) ?? []).reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const reload = async () => {
    try {
      const { plan } = await post<{ plan: number }>('/v1/reload');
      void message.success(t('rules.reloaded', { plan }));
      await client.invalidateQueries();
    } catch (error) {
      void message.error(error instanceof Error ? error.message : String(error), 10);
    }
  };
  const columns: Column<Rule>[] = [
    { key: 'name', title: t('common.name'), text: (rule) => rule.name, sortable: true, render: (_, rule) => <RuleLink name={rule.name} /> },
    { key: 'state', title: t('common.state'), text: (rule) => rule.state, sortable: true, render: (_, rule) => <StateTag state={rule.state} /> },
    { key: 'category', title: t('rules.category'), text: (rule) => rule.category, sortable: true },
    { key: 'members', title: t('rules.members'), text: (rule) => rule.members, sortable: true, align: 'right', render: (_, rule) => number(rule.members) },
    { key: 'fired', title: t('rules.fired'), text: (rule) => rule.fired, sortable: true, align: 'right', render: (_, rule) => number(rule.fired) },
    { key: 'held', title: t('rules.held'), text: (rule) => rule.held, sortable: true, align: 'right', render: (_, rule) => number(rule.held) },
    { key: 'accepted', title: t('rules.accepted'), text: (rule) => rule.accepted, sortable: true, align: 'right', render: (_, rule) => number(rule.accepted) },
    { key: 'failed', title: t('rules.failed'), text: (rule) => rule.failed, sortable: true, align: 'right', render: (_, rule) => number(rule.failed) },
    { key: 'day', title: t('rules.lastDay'), text: (rule) => sumOf(rule.name), sortable: true, render: (_, rule) => <Spark values={curves.get(rule.name)} label={t('rules.lastDayOf', { name: rule.name, count: number(sumOf(rule.name)) })} /> },
    { key: 'last', title: t('rules.lastFired'), text: (rule) => rule.last_fired, sortable: true, render: (_, rule) => <At at={rule.last_fired} none={t('common.never')} /> },
    { key: 'description', title: t('common.description'), text: (rule) => rule.description, render: (_, rule) => <span className="cut">{rule.description}</span> },
  ];
  return (
    <Page title={t('rules.title')} extra={may(session, 'author', 'operator') && <Button onClick={() => void reload()}>{t('rules.reload')}</Button>}>
      <Loaded asked={asked}>
        {({ rules }) => {
          const words = (url['q'] ?? '').toLowerCase();
          const shown = rules.filter(
            (rule) =>
              (!words || rule.name.toLowerCase().includes(words) || rule.description.toLowerCase().includes(words)) && (!url['state'] || rule.state === url['state']) && (!url['category'] || rule.category === url['category']),
          ).sort((a, b) => b.failed - a.failed || b.fired + b.held - (a.fired + a.held) || a.name.localeCompare(b.name));
          return (
            <>
              <DataTable
                name="rules"
                columns={columns}
                rows={shown}
                rowKey={(rule) => rule.name}
                empty={t('rules.empty')}
                filters={
                  <>
                    <Input allowClear aria-label={t('rules.search')} placeholder={t('rules.search')} defaultValue={url['q']} onChange={(event) => setUrl({ q: event.target.value })} />
                    <Select
                      aria-label={t('common.state')}
                      style={{ minWidth: 130 }}
                      value={url['state'] ?? ''}
                      onChange={(state) => setUrl({ state })}
                      options={[{ value: '', label: `${t('common.state')}: ${t('table.any')}` }, ...['active', 'shadow', 'paused', 'draft'].map((state) => ({ value: state, label: t(`state.${state as 'active'}`) }))]}
                    />
                    <Select
                      aria-label={t('rules.category')}
                      style={{ minWidth: 150 }}
                      value={url['category'] ?? ''}
                      onChange={(category) => setUrl({ category })}
                      options={[{ value: '', label: `${t('rules.category')}: ${t('table.any')}` }, ...['sales', 'management', 'collaboration'].map((category) => ({ value: category, label: category }))]}
                    />
                  </>
                }
              />
              <Activity rules={shown} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
