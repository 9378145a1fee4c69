// My day: a salesperson's tasks by urgency, on a phone first. A call is one tap, its result two.
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, Badge, Button, Drawer, Flex, Input, Segmented, Tag } from 'antd';
import { useCallback, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotice } from '../ui/notice';
import { Link } from 'wouter';
import { ApiError, get, segment } from '../api/client';
import type { Customer, Json, Task } from '../api/types';
import type { Word } from '../i18n/en';
import { complete, draft, keepDraft, useOutbox } from '../ui/outbox';
import { open, useSession } from '../ui/session';
import { Loaded, Nothing, Page, valueText } from '../ui/show';
import { instant, span } from '../ui/time';
import { useUrlState } from '../ui/url';

export const dispositions = ['connected', 'no_answer', 'call_back', 'not_interested', 'wrong_number', 'won'] as const;
const soon = 60 * 60_000;
const lastSeen = 'nudge.day';

function useNow(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function Countdown({ due, now }: { due: string | null; now: number }) {
  const { t } = useTranslation();
  if (!due) return <span className="quiet">{t('day.noDue')}</span>;
  const left = Date.parse(due) - now;
  const kind = left < 0 ? 'is-overdue' : left < soon ? 'is-soon' : '';
  return (
    <time className={`countdown ${kind}`} dateTime={due} title={instant(due)}>
      {left < 0 ? t('day.overdueBy', { time: span(left) }) : t('day.dueIn', { time: span(left) })}
    </time>
  );
}

const payloadText = (task: Task, name: string): string => valueText(task.payload[name] as Json | undefined);

function TaskCard({ task, now, finish }: { task: Task; now: number; finish: (task: Task) => void }) {
  const { t, i18n } = useTranslation();
  const customer = useQuery({
    queryKey: ['customer-short', task.customer],
    // The number is there to be called, so it is asked for as it is; who may not see it gets it masked.
    queryFn: () =>
      get<Customer>(`/v1/customers/${segment(task.customer)}`, { events: 0, personal: 'full' }).catch(() =>
        get<Customer>(`/v1/customers/${segment(task.customer)}`, { events: 0 }),
      ),
    staleTime: 60_000,
    retry: false,
  });
  const phone = valueText(customer.data?.attributes['phone']);
  const left = task.due ? Date.parse(task.due) - now : Infinity;
  const look = task.state === 'done' ? 'is-done' : left < 0 ? 'is-overdue' : left < soon ? 'is-soon' : '';
  const disposition = `disposition.${task.disposition}`;
  return (
    <article className={`task ${look}`}>
      <Flex justify="space-between" gap="small" wrap>
        <h2>{task.subject}</h2>
        {task.state === 'done' ? <Tag color="success">{i18n.exists(disposition) ? t(disposition as Word) : task.disposition}</Tag> : <Countdown due={task.due} now={now} />}
      </Flex>
      <p className="reason">{payloadText(task, 'reason') || task.reason}</p>
      {payloadText(task, 'script') && task.state !== 'done' && (
        <p className="reason quiet">
          <strong>{t('day.script')}:</strong> {payloadText(task, 'script')}
        </p>
      )}
      {task.note && <p className="reason">{task.note}</p>}
      <Flex gap="small" wrap align="center">
        {task.mandatory && <Tag color="error">{t('day.mandatory')}</Tag>}
        {phone && task.state !== 'done' && (
          <Button type="primary" href={`tel:${phone}`}>
            {t('day.call')} {phone}
          </Button>
        )}
        {task.state !== 'done' && <Button onClick={() => finish(task)}>{t('day.finish')}</Button>}
        <Link href={`/customers/${segment(task.customer)}`}>{t('day.story')}: {task.customer}</Link>
        {task.owner_name && <span className="quiet">{task.owner_name}</span>}
      </Flex>
    </article>
  );
}

function Finish({ task, close, done }: { task: Task; close: () => void; done: () => void }) {
  const { t } = useTranslation();
  const message = useNotice();
  const [note, setNote] = useState(() => draft(task.id));
  const [chosen, setChosen] = useState<string>('');
  const [busy, setBusy] = useState(false);
  const write = (text: string) => {
    setNote(text);
    keepDraft(task.id, text);
  };
  const send = async () => {
    setBusy(true);
    try {
      const fate = await complete({ task: task.id, disposition: chosen, note });
      void message.success(fate === 'sent' ? t('day.sent') : t('day.kept'));
      done();
    } catch (error) {
      const words = error instanceof ApiError && error.status === 409 ? t('day.alreadyDone') : error instanceof Error ? error.message : String(error);
      void message.error(words);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Drawer open placement="bottom" size="large" title={task.subject} onClose={close}>
      <div className="narrow">
        <h2 id="results">{t('day.result')}</h2>
        <div className="dispositions" role="group" aria-labelledby="results">
          {dispositions.map((name) => (
            <Button key={name} size="large" type={chosen === name ? 'primary' : 'default'} aria-pressed={chosen === name} onClick={() => setChosen(name)}>
              {t(`disposition.${name}`)}
            </Button>
          ))}
        </div>
        <label htmlFor="note">{t('day.note')}</label>
        <Input.TextArea id="note" rows={4} value={note} placeholder={t('day.noteHint')} onChange={(event) => write(event.target.value)} />
        <Button type="primary" size="large" block disabled={!chosen} loading={busy} onClick={() => void send()} style={{ marginTop: 12 }}>
          {t('day.send')}
        </Button>
      </div>
    </Drawer>
  );
}

interface Tasks {
  tasks: Task[];
  seen?: string;
}
// What was there when there was a connection last, for the time without one.
function kept(query: string): Tasks | undefined {
  try {
    const { of, ...tasks } = JSON.parse(localStorage.getItem(lastSeen) ?? '{}') as Tasks & { of?: string };
    return of === query ? tasks : undefined;
  } catch {
    return undefined;
  }
}

export function MyDay() {
  const { t } = useTranslation();
  const session = useSession();
  const client = useQueryClient();
  const [url, setUrl] = useUrlState();
  const now = useNow();
  const [finishing, setFinishing] = useState<Task | null>(null);
  const state = url['state'] ?? 'open';
  const mine = session.roles.length === 1 && session.roles[0] === 'salesperson';
  const owner = mine ? session.actor : (url['owner'] ?? '');
  const query = JSON.stringify({ state, owner });
  const asked = useQuery({
    queryKey: ['tasks', state, owner],
    queryFn: async ({ signal }) => {
      const answer = await get<Tasks>('/v1/tasks', { state, owner, limit: 100 }, signal);
      localStorage.setItem(lastSeen, JSON.stringify({ of: query, tasks: answer.tasks, seen: new Date().toISOString() }));
      return answer;
    },
    initialData: () => kept(query),
    initialDataUpdatedAt: 0,
    placeholderData: keepPreviousData,
    refetchInterval: 3000,
  });
  const refresh = useCallback(() => void client.invalidateQueries({ queryKey: ['tasks'] }), [client]);
  const waiting = useOutbox(refresh);
  const answered = new Set(waiting.map((result) => result.task));
  const offline = asked.error instanceof ApiError && asked.error.offline;
  return (
    <Page
      title={open(session) ? t('day.title') : t('day.hello', { name: session.actor })}
      extra={
        <Segmented
          aria-label={t('common.state')}
          value={state}
          onChange={(next) => setUrl({ state: String(next) })}
          options={(['open', 'overdue', 'done'] as const).map((each) => ({ value: each, label: t(`day.tab.${each}`) }))}
        />
      }
    >
      <div className="narrow">
        {offline && <Alert type="warning" showIcon title={t('app.offline', { time: instant(kept(query)?.seen) })} style={{ marginBottom: 12 }} />}
        {waiting.length > 0 && <Alert type="info" showIcon title={t('day.waiting', { count: waiting.length })} style={{ marginBottom: 12 }} />}
        {!mine && (
          <Input allowClear aria-label={t('day.whose')} placeholder={`${t('day.whose')}: ${t('day.everybody')}`} defaultValue={owner} onChange={(event) => setUrl({ owner: event.target.value })} style={{ marginBottom: 12 }} />
        )}
        <Loaded asked={asked}>
          {({ tasks }) => {
            const shown = tasks.filter((task) => !answered.has(task.id));
            if (shown.length === 0)
              return (
                <Nothing words={t('day.empty')}>
                  <p className="quiet">{t('day.emptyWhy')}</p>
                </Nothing>
              );
            return (
              <>
                <p className="quiet" aria-live="polite">
                  {state === 'done' ? t('table.count', { count: shown.length }) : t('day.open', { count: shown.length })}{' '}
                  {state === 'open' && <Badge count={shown.filter((task) => task.overdue).length} title={t('day.overdue')} />}
                </p>
                {shown.map((task) => (
                  <TaskCard key={task.id} task={task} now={now} finish={setFinishing} />
                ))}
              </>
            );
          }}
        </Loaded>
      </div>
      {finishing && (
        <Finish
          key={finishing.id}
          task={finishing}
          close={() => setFinishing(null)}
          done={() => {
            setFinishing(null);
            refresh();
          }}
        />
      )}
    </Page>
  );
}
