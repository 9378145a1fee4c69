// Figures of rules and segments over time, for small curves and for the chart of one of them.
import { useQuery } from '@tanstack/react-query';
import { get, segment } from '../api/client';
import type { Time } from '../api/types';

export interface RuleSeries {
  name: string;
  fired: (number | null)[];
  held: (number | null)[];
  failed: (number | null)[];
  accepted: (number | null)[];
}
export interface SegmentSeries {
  name: string;
  members: (number | null)[];
  entered: (number | null)[];
  left: (number | null)[];
}
interface Spans {
  by: 'hour' | 'day';
  times: Time[];
  since: Time | null;
}

/** The last day, hour by hour, of every rule and segment at once. */
export function useLastDay() {
  return useQuery({ queryKey: ['series'], queryFn: ({ signal }) => get<Spans & { rules: RuleSeries[]; segments: SegmentSeries[] }>('/v1/series', { by: 'hour', last: 24 }, signal), refetchInterval: 60_000 });
}

export type Range = 'day' | 'month';
export function useSeriesOf<Rows>(kind: 'rules' | 'segments', name: string, range: Range) {
  return useQuery({
    queryKey: ['series', kind, name, range],
    queryFn: ({ signal }) => get<Spans & Rows>(`/v1/${kind}/${segment(name)}/series`, range === 'day' ? { by: 'hour', last: 24 } : { by: 'day', last: 30 }, signal),
    refetchInterval: 30_000,
  });
}
