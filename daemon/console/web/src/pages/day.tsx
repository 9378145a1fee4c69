// My day: a salesperson's tasks by urgency, on a phone first. A call is one tap, its result two.
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, Badge, Input, Segmented } from 'antd';
import { useCallback, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError, get } from '../api/client';
import type { Task } from '../api/types';
import { useOutbox } from '../ui/outbox';
import { open, personOf, useSession } from '../ui/session';
import { Loaded, Nothing, Page } from '../ui/show';
import { Decline, Finish, isLater, TaskCard } from '../ui/task';
import { instant } from '../ui/time';
import { useUrlState } from '../ui/url';

const lastSeen = 'nudge.day';

function useNow(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

// Overdue and due first; what comes back later last.
function urgency(now: number) {
  const rank = (task: Task): number => (isLater(task, now) ? 3 : task.state === 'offered' ? 1 : task.due && Date.parse(task.due) < now ? 0 : 2);
  const when = (task: Task): number => Date.parse((task.state === 'offered' && task.accept_by) || task.due || '') || Infinity;
  return (a: Task, b: Task): number => rank(a) - rank(b) || (b.urgency ?? 0) - (a.urgency ?? 0) || when(a) - when(b);
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
  const [declining, setDeclining] = useState<Task | null>(null);
  const state = url['state'] ?? 'open';
  const mine = session.roles.length === 1 && session.roles[0] === 'salesperson';
  const owner = mine ? personOf(session) : (url['owner'] ?? '');
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
      title={open(session) ? t('day.title') : t('day.hello', { name: personOf(session) })}
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
            if (state !== 'done') shown.sort(urgency(now));
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
                  <TaskCard key={task.id} task={task} now={now} finish={setFinishing} decline={setDeclining} changed={refresh} />
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
      {declining && (
        <Decline
          key={declining.id}
          task={declining}
          close={() => setDeclining(null)}
          done={() => {
            setDeclining(null);
            refresh();
          }}
        />
      )}
    </Page>
  );
}
