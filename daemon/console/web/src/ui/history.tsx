// Figures over time, of the last day or the last month, as one chart.
import { Segmented } from 'antd';
import { lazy, Suspense, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSeriesOf, type Range } from './series';
import { Loaded } from './show';
import { hourOf, dayOf } from './time';

const Chart = lazy(() => import('./chart'));

interface Line<Rows> {
  key: keyof Rows & string;
  words: string;
  bars?: boolean;
}

export function History<Rows>({ kind, name, lines, title }: { kind: 'rules' | 'segments'; name: string; lines: Line<Rows>[]; title: string }) {
  const { t } = useTranslation();
  const [range, setRange] = useState<Range>('day');
  const asked = useSeriesOf<Rows>(kind, name, range);
  const data = asked.data;
  const option = useMemo(
    () => ({
      legend: { top: 0 },
      grid: { left: 8, right: 16, top: 32, bottom: 8, containLabel: true },
      xAxis: { type: 'category', data: (data?.times ?? []).map((at) => (range === 'day' ? hourOf(at) : dayOf(at))) },
      yAxis: { type: 'value', minInterval: 1 },
      series: lines.map(({ key, words, bars }) => ({ name: words, type: bars ? 'bar' : 'line', showSymbol: false, barMaxWidth: 18, data: (data?.[key] as (number | null)[] | undefined) ?? [] })),
    }),
    [data, range, lines],
  );
  return (
    <>
      <div className="head-of">
        <h2>{title}</h2>
        <Segmented<Range>
          aria-label={title}
          value={range}
          onChange={setRange}
          options={[
            { value: 'day', label: t('series.day') },
            { value: 'month', label: t('series.month') },
          ]}
        />
      </div>
      <Loaded asked={asked}>
        {() => (
          <Suspense fallback={null}>
            <Chart label={title} option={option} />
          </Suspense>
        )}
      </Loaded>
    </>
  );
}
