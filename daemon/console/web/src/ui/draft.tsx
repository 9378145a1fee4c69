// A rule's file in the editor: checked as `nudge check` checks it, compared with what is in force, tried on the past, applied.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, Button, DatePicker, Flex, Progress, Space } from 'antd';
import dayjs from 'dayjs';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotice } from './notice';
import rulesSchema from '../generated/rules.schema.json';
import { ApiError, del, get, post, segment } from '../api/client';
import type { Json } from '../api/types';
import type { Mistake } from './editor';
import { applyPlan, fetchPlan, PlanOf, type Plan, type Report } from './plans';
import { useReason } from './reason';
import { may, personOf, useSession } from './session';
import { Loaded } from './show';

const Editor = lazy(() => import('./editor'));
const BacktestReport = lazy(() => import('./backtest'));

interface Backtest {
  id: string;
  state: 'running' | 'done' | 'cancelled' | 'failed';
  progress: number;
  error?: string;
  report?: Json;
}

// Every key and fixed word of the language, out of its schema.
function wordsOf(schema: unknown, found = new Set<string>()): Set<string> {
  if (Array.isArray(schema)) schema.forEach((each) => wordsOf(each, found));
  else if (schema !== null && typeof schema === 'object')
    for (const [key, value] of Object.entries(schema)) {
      if (key === 'properties' && value !== null && typeof value === 'object') Object.keys(value).forEach((name) => found.add(name));
      if (key === 'enum' && Array.isArray(value)) value.forEach((word) => typeof word === 'string' && found.add(word));
      wordsOf(value, found);
    }
  return found;
}
const words = [...wordsOf(rulesSchema)].sort();

function mistakesOf(report: Report | undefined, file: string): Mistake[] {
  return (report?.diagnostics ?? [])
    .filter((each) => each.file === file)
    .map(({ line, column, length, severity, code, message, hint }) => ({ line, column, length, severity: severity === 'error' ? 'error' : severity === 'warning' ? 'warning' : 'info', message: `${code}: ${message}${hint ? `\n${hint}` : ''}` }));
}

function BacktestOf({ id, forget }: { id: string; forget: () => void }) {
  const { t } = useTranslation();
  const asked = useQuery({
    queryKey: ['backtest', id],
    queryFn: () => get<Backtest>(`/v1/backtests/${segment(id)}`),
    refetchInterval: (running) => (running.state.data?.state === 'running' || !running.state.data ? 500 : false),
  });
  return (
    <Loaded asked={asked}>
      {(backtest) => (
        <>
          {backtest.state === 'running' && (
            <Flex gap="small" align="center">
              <Progress percent={Math.round(backtest.progress * 100)} aria-label={t('rule.backtest')} />
              <Button onClick={() => void del(`/v1/backtests/${segment(id)}`).finally(forget)}>{t('rule.backtestCancel')}</Button>
            </Flex>
          )}
          {backtest.error && <Alert type="error" title={backtest.error} />}
          {backtest.report !== undefined && (
            <Suspense fallback={null}>
              <BacktestReport report={backtest.report} />
            </Suspense>
          )}
        </>
      )}
    </Loaded>
  );
}

export function Draft({ file, text, rule, from }: { file: string; text: string; rule: string; from: string }) {
  const { t } = useTranslation();
  const message = useNotice();
  const session = useSession();
  const client = useQueryClient();
  const ask = useReason();
  const [now, setNow] = useState(text);
  const [report, setReport] = useState<Report>();
  const [failure, setFailure] = useState<string>('');
  const [plan, setPlan] = useState<Plan>();
  const [backtest, setBacktest] = useState<string>('');
  const [range, setRange] = useState<[dayjs.Dayjs, dayjs.Dayjs]>([dayjs().subtract(90, 'day'), dayjs()]);
  const author = may(session, 'author');
  const draft = { rules: [{ name: file, text: now }], overlay: true };
  const attempt = async (what: () => Promise<void>) => {
    setFailure('');
    setReport(undefined);
    try {
      await what();
    } catch (error) {
      if (error instanceof ApiError && error.code === 'bad_rules') setFailure(error.message);
      else void message.error(error instanceof Error ? error.message : String(error), 8);
    }
  };
  const check = () =>
    attempt(async () => {
      setPlan(undefined);
      const answer = await fetchPlan(draft);
      if ('report' in answer) {
        setReport(answer.report);
        setFailure(answer.text);
      } else {
        setPlan(answer.plan);
        void message.success(t('rule.checkGood'));
      }
    });
  const apply = (reason: string) =>
    attempt(async () => {
      if (!plan) return;
      const version = await applyPlan(plan, personOf(session), reason);
      void message.success(t('rule.applied', { plan: version }));
      await client.invalidateQueries();
    });
  const tryPast = () =>
    attempt(async () => {
      const { id } = await post<Backtest>('/v1/backtests', { ...draft, from: range[0].toISOString(), to: range[1].toISOString(), only: [rule] });
      setBacktest(id);
    });
  return (
    <Space orientation="vertical" style={{ width: '100%' }} size="middle">
      <Suspense fallback={<pre className="code">{text}</pre>}>
        <Editor label={file} text={text} readOnly={!author} words={words} mistakes={mistakesOf(report, file)} change={setNow} />
      </Suspense>
      {author && (
        <Space wrap>
          <Button type="primary" onClick={() => void check()}>
            {t('rule.check')}
          </Button>
          {from === 'apply' && (
            <Button disabled={!plan?.changed} onClick={() => ask(t('rule.apply'), apply, plan && t('rule.planned', { changed: plan.items.length, fires: plan.fires_at_once, actions: plan.actions_at_once }))}>
              {t('rule.apply')}
            </Button>
          )}
        </Space>
      )}
      {author && from !== 'apply' && plan?.changed && <Alert type="info" showIcon title={t('rule.noApply', { file })} />}
      {failure && <pre className="code">{failure}</pre>}
      {plan && <PlanOf plan={plan} />}
      {author && (
        <>
          <h2>{t('rule.backtest')}</h2>
          <p className="quiet">{t('rule.backtestHint')}</p>
          <Space wrap>
            <DatePicker.RangePicker aria-label={t('rule.backtestRange')} value={range} allowClear={false} onChange={(next) => next?.[0] && next[1] && setRange([next[0], next[1]])} />
            <Button onClick={() => void tryPast()}>{t('rule.backtestRun')}</Button>
          </Space>
          {backtest && <BacktestOf key={backtest} id={backtest} forget={() => setBacktest('')} />}
        </>
      )}
    </Space>
  );
}
