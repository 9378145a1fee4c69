// The team: who has what against what they can take, what is overdue, what came of it; tasks are given to somebody else here.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Modal, Select } from 'antd';
import { lazy, Suspense, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { get, post, segment } from '../api/client';
import type { Task, Team as TeamOf } from '../api/types';
import { Approvals } from '../ui/approvals';
import { useDispositionWords } from '../ui/dispositions';
import { useNotice } from '../ui/notice';
import { dragged, People } from '../ui/people';
import { useReason } from '../ui/reason';
import { may, useSession } from '../ui/session';
import { At, CustomerLink, Loaded, Nothing, Page, RuleLink, TaskTag } from '../ui/show';
import { DataTable, type Column } from '../ui/table';
import { useUrlState } from '../ui/url';
import '../generated/rest.css';

const Chart = lazy(() => import('../ui/chart'));

interface Result {
  key: string;
  done: number;
  inTime: number;
  won: number;
}

// What came of the tasks, by person or by rule.
function results(done: Task[], of: (task: Task) => string): Result[] {
  const found = new Map<string, Result>();
  for (const task of done) {
    const key = of(task);
    const row = found.get(key) ?? { key, done: 0, inTime: 0, won: 0 };
    found.set(key, row);
    row.done += 1;
    row.inTime += task.overdue ? 0 : 1;
    row.won += task.disposition === 'won' ? 1 : 0;
  }
  return [...found.values()].sort((a, b) => b.done - a.done);
}

function Reassign({ task, teams, choose, close }: { task: Task; teams: TeamOf[]; choose: (to: string) => void; close: () => void }) {
  const { t } = useTranslation();
  const [to, setTo] = useState<string>();
  const own = teams.find((each) => each.name === task.team);
  const members = (own ? [own] : teams).flatMap((each) => each.members).filter((each) => each.id !== task.owner);
  return (
    <Modal open title={`${t('team.reassign')}: ${task.subject}`} okText={t('team.reassign')} cancelText={t('common.cancel')} okButtonProps={{ disabled: !to }} onCancel={close} onOk={() => to && choose(to)}>
      <Select
        aria-label={t('team.person')}
        style={{ width: '100%' }}
        placeholder={t('team.person')}
        value={to}
        onChange={setTo}
        options={members.map((each) => ({ value: each.id, label: `${each.name || each.id} · ${each.capacity > 0 ? t('team.units', { load: each.load, capacity: each.capacity }) : t('team.unitsOpen', { count: each.load })}`, disabled: each.absent }))}
      />
    </Modal>
  );
}

export default function Team() {
  const { t } = useTranslation();
  const session = useSession();
  const client = useQueryClient();
  const notice = useNotice();
  const ask = useReason();
  const dispositionWords = useDispositionWords();
  const [url, setUrl] = useUrlState();
  const [moving, setMoving] = useState<Task | null>(null);
  const team = url['team'] ?? '';
  const open = useQuery({ queryKey: ['tasks', 'open', '', team], queryFn: () => get<{ tasks: Task[] }>('/v1/tasks', { state: 'open', team, limit: 1000 }), refetchInterval: 5000 });
  const done = useQuery({ queryKey: ['tasks', 'done', '', team], queryFn: () => get<{ tasks: Task[] }>('/v1/tasks', { state: 'done', team, limit: 1000 }), refetchInterval: 10_000 });
  const teams = useQuery({ queryKey: ['teams'], queryFn: () => get<{ teams: TeamOf[] }>('/v1/teams'), refetchInterval: 5000 });
  const names = useMemo(() => new Map((teams.data?.teams ?? []).flatMap((each) => each.members.map((member) => [member.id, member.name || member.id] as const))), [teams.data]);
  const nameOf = (owner: string) => names.get(owner) ?? (owner || t('team.unassigned'));
  const outcomes = useMemo(() => {
    const counts = new Map<string, number>();
    for (const task of done.data?.tasks ?? []) counts.set(task.disposition ?? '', (counts.get(task.disposition ?? '') ?? 0) + 1);
    return [...counts].sort((a, b) => a[1] - b[1]);
  }, [done.data]);
  const commands = may(session, 'manager', 'operator');
  const give = (task: Task, to: string) => {
    setMoving(null);
    if (to === task.owner) return;
    ask(t('team.reassign'), async (reason) => {
      try {
        await post(`/v1/tasks/${segment(task.id)}/reassign`, { to, reason });
        void notice.success(t('team.reassigned', { name: nameOf(to) }));
        await Promise.all([client.invalidateQueries({ queryKey: ['tasks'] }), client.invalidateQueries({ queryKey: ['teams'] })]);
      } catch (error) {
        void notice.error(error instanceof Error ? error.message : String(error), 8);
        throw error;
      }
    }, t('team.reassignWords', { task: task.subject, from: nameOf(task.owner), to: nameOf(to) }));
  };
  const drop = (id: string, member: { id: string }) => {
    const task = open.data?.tasks.find((each) => each.id === id);
    if (task) give(task, member.id);
  };
  const percent = (part: number, of: number) => (of ? `${Math.round((100 * part) / of)} %` : '');
  const ofResults = (title: string, words: (key: string) => string): Column<Result>[] => [
    { key: 'key', title, text: (each) => words(each.key), sortable: true },
    { key: 'done', title: t('team.done'), text: (each) => each.done, sortable: true, align: 'right' },
    { key: 'won', title: t('disposition.won'), text: (each) => each.won, sortable: true, align: 'right' },
    { key: 'inTime', title: t('team.inTime'), text: (each) => percent(each.inTime, each.done), align: 'right' },
  ];
  const ofTasks: Column<Task>[] = [
    { key: 'subject', title: t('team.task'), text: (each) => each.subject, render: (_, each) => <span className="cut">{each.subject}</span> },
    { key: 'owner', title: t('team.person'), text: (each) => nameOf(each.owner), sortable: true },
    { key: 'state', title: t('common.state'), text: (each) => each.state, render: (_, each) => <TaskTag state={each.overdue ? 'overdue' : each.state} /> },
    { key: 'due', title: t('team.due'), text: (each) => each.due, sortable: true, render: (_, each) => <At at={each.due} none={t('day.noDue')} /> },
    { key: 'customer', title: t('common.customer'), text: (each) => each.customer, render: (_, each) => <CustomerLink id={each.customer} /> },
    { key: 'rule', title: t('common.rule'), text: (each) => each.rule, sortable: true, render: (_, each) => <RuleLink name={each.rule} /> },
    ...(commands ? [{ key: 'move', title: t('team.reassign'), text: () => '', render: (_: unknown, each: Task) => <Button onClick={() => setMoving(each)}>{t('team.reassign')}</Button> }] : []),
  ];
  return (
    <Page
      title={t('team.title')}
      extra={
        <Select
          aria-label={t('team.title')}
          style={{ minWidth: 180 }}
          value={team}
          onChange={(next) => setUrl({ team: next })}
          options={[{ value: '', label: `${t('team.title')}: ${t('table.any')}` }, ...(teams.data?.teams ?? []).map(({ name }) => ({ value: name, label: name }))]}
        />
      }
    >
      <Approvals />
      <Loaded asked={teams}>
        {({ teams: all }) => {
          const shown = all.filter((each) => !team || each.name === team);
          if (all.length === 0) return <Nothing words={t('team.none')} />;
          return shown.map((each) => <People key={each.name} team={each} tasks={open.data?.tasks ?? []} drop={drop} />);
        }}
      </Loaded>
      <h2>{t('team.reach')}</h2>
      {commands && <p className="quiet">{t('team.dragHint')}</p>}
      <Loaded asked={open}>
        {({ tasks }) => (
          <DataTable
            name="tasks"
            columns={ofTasks}
            rows={tasks}
            rowKey={(each) => each.id}
            empty={t('day.empty')}
            row={(each) => (commands ? { draggable: true, onDragStart: (event) => event.dataTransfer.setData(dragged, each.id), className: 'draggable' } : {})}
          />
        )}
      </Loaded>
      <Loaded asked={done}>
        {({ tasks }) =>
          tasks.length === 0 ? null : (
            <>
              <h2>{t('team.results')}</h2>
              <p className="quiet">{t('team.resultsOf', { count: tasks.length })}</p>
              <Suspense fallback={null}>
                <Chart
                  label={t('team.results')}
                  height={60 + outcomes.length * 28}
                  option={{
                    grid: { left: 8, right: 24, top: 8, bottom: 8, containLabel: true },
                    xAxis: { type: 'value', minInterval: 1 },
                    yAxis: { type: 'category', data: outcomes.map(([name]) => dispositionWords(name)) },
                    series: [{ name: t('team.results'), type: 'bar', data: outcomes.map(([, count]) => count) }],
                  }}
                />
              </Suspense>
              <div className="grid">
                <div>
                  <DataTable name="results-by-person" columns={ofResults(t('team.person'), nameOf)} rows={results(tasks, (task) => task.owner)} rowKey={(each) => each.key} empty={t('table.empty')} />
                </div>
                <div>
                  <DataTable name="results-by-rule" columns={ofResults(t('common.rule'), (key) => key)} rows={results(tasks, (task) => task.rule)} rowKey={(each) => each.key} empty={t('table.empty')} />
                </div>
              </div>
            </>
          )
        }
      </Loaded>
      {moving && <Reassign task={moving} teams={teams.data?.teams ?? []} choose={(to) => give(moving, to)} close={() => setMoving(null)} />}
    </Page>
  );
}
