// Instants and spans as people read them, in the language and the time zone of the browser.
import i18next from 'i18next';

const locale = (): string => (i18next.language === 'zh' ? 'zh-CN' : 'en-GB');

export function instant(at: string | null | undefined): string {
  if (!at) return '';
  return new Intl.DateTimeFormat(locale(), { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false }).format(new Date(at));
}

export const number = (value: number | null | undefined): string => (value === null || value === undefined ? '–' : new Intl.NumberFormat(locale()).format(value));

/** 95 min → "1 h 35 min": the two largest units that count. */
export function span(ms: number): string {
  const zh = i18next.language === 'zh';
  const units: [number, string][] = [
    [86_400_000, zh ? '天' : 'd'],
    [3_600_000, zh ? '小时' : 'h'],
    [60_000, zh ? '分钟' : 'min'],
    [1000, zh ? '秒' : 's'],
  ];
  let left = Math.max(0, Math.abs(ms));
  const words: string[] = [];
  for (const [size, name] of units) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) words.push(`${count} ${name}`);
    if (words.length === 2 || (words.length === 1 && count === 0)) break;
  }
  return words.join(' ') || `0 ${zh ? '秒' : 's'}`;
}

export const hourOf = (at: string): string => new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit', hour12: false }).format(new Date(at));
export const dayOf = (at: string): string => new Intl.DateTimeFormat(locale(), { month: '2-digit', day: '2-digit' }).format(new Date(at));
/** A decimal as nudged writes it, "1200.5", for people. */
export const amountOf = (value: string | number | null | undefined): string => (value === null || value === undefined || value === '' ? '–' : new Intl.NumberFormat(locale(), { maximumFractionDigits: 2 }).format(Number(value)));
