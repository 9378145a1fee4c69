// Bars without axes, for a cell of a table: the shape of the last day. What it shows is said in words for who can't see it.
import { lazy, Suspense, useMemo } from 'react';

const Chart = lazy(() => import('./chart'));

export function Spark({ values, label }: { values: (number | null)[] | undefined; label: string }) {
  const option = useMemo(
    () => ({
      tooltip: { show: false },
      grid: { left: 1, right: 1, top: 3, bottom: 3 },
      xAxis: { type: 'category', show: false },
      yAxis: { type: 'value', show: false },
      series: [{ type: 'bar', silent: true, barCategoryGap: '15%', barMinHeight: 0, data: values?.map((value) => value ?? 0) ?? [] }],
    }),
    [values],
  );
  if (!values?.some((value) => value)) return <span className="quiet">–</span>;
  return (
    <Suspense fallback={null}>
      <div className="spark">
        <Chart height={28} label={label} option={option} />
      </div>
    </Suspense>
  );
}
