// Charts by ECharts, drawn on a canvas: loaded only by pages that show one. Each has its figures as text beside it for who can't see it.
import { BarChart, FunnelChart, LineChart } from 'echarts/charts';
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import type { EChartsCoreOption } from 'echarts/core';
import { useEffect, useRef } from 'react';

echarts.use([BarChart, LineChart, FunnelChart, GridComponent, LegendComponent, TooltipComponent, AriaComponent, CanvasRenderer]);
export const palette = ['#0b57a4', '#c2570c', '#237a3b', '#7a3fa0', '#b3261e', '#00707a'];

export default function Chart({ option, height = 260, label }: { option: EChartsCoreOption; height?: number; label: string }) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<echarts.ECharts | null>(null);
  useEffect(() => {
    if (!place.current) return;
    const made = (chart.current = echarts.init(place.current));
    const watch = new ResizeObserver(() => made.resize());
    watch.observe(place.current);
    return () => {
      watch.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, []);
  useEffect(() => {
    // Rich text, because a tooltip made of markup would bring styles that the page's policy refuses.
    chart.current?.setOption({ color: palette, animation: false, aria: { enabled: true }, tooltip: { trigger: 'axis', renderMode: 'richText' }, ...option }, true);
  }, [option]);
  return <div ref={place} role="img" aria-label={label} style={{ height }} />;
}
