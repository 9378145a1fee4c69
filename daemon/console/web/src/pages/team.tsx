// The team: who has what, what is overdue, what came of it.
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { get } from '../api/client';
import type { Task } from '../api/types';
import type { Word } from '../i18n/en';
import { At, CustomerLink, Loaded, Page, RuleLink, StateTag } from '../ui/show';
import { DataTable, type Column } from '../ui/table';
import '../generated/rest.css';

const Chart = lazy(() => import('../ui/chart'));

interface Load {
  owner: string;
  name: string;
  open: number;
  overdue: number;
  done: number;
  inTime: number;
}

function loads(open: Task[], done: Task[], nobody: string): Load[] {
  const people = new Map<string, Load>();
  const of = (task: Task): Load => {
    const found = people.get(task.owner) ?? { owner: task.owner, name: task.owner_name || task.owner || nobody, open: 0, overdue: 0, done: 0, inTime: 0 };
    people.set(task.owner, found);
    return found;
  };
  for (const task of open) {
    const load = of(task);
    load.open += 1;
    load.overdue += task.overdue ? 1 : 0;
  }
  for (const task of done) {
    const load = of(task);
    load.done += 1;
    load.inTime += !task.due || (task.done !== undefined && task.done <= task.due) ? 1 : 0;
  }
  return [...people.values()].sort((a, b) => b.overdue - a.overdue || b.open - a.open);
}

export default function Team() {
  const { t, i18n } = useTranslation();
  const open = useQuery({ queryKey: ['tasks', 'open', ''], queryFn: () => get<{ tasks: Task[] }>('/v1/tasks', { state: 'open', limit: 1000 }), refetchInterval: 5000 });
  const done = useQuery({ queryKey: ['tasks', 'done', ''], queryFn: () => get<{ tasks: Task[] }>('/v1/tasks', { state: 'done', limit: 100 }), refetchInterval: 5000 });
  const people = useMemo(() => loads(open.data?.tasks ?? [], done.data?.tasks ?? [], t('team.unassigned')), [open.data, done.data, t]);
  const results = useMemo(() => {
    const counts = new Map<string, number>();
    for (const task of done.data?.tasks ?? []) counts.set(task.disposition ?? '', (counts.get(task.disposition ?? '') ?? 0) + 1);
    return [...counts].sort((a, b) => a[1] - b[1]);
  }, [done.data]);
  const wordOf = (disposition: string) => (i18n.exists(`disposition.${disposition}`) ? t(`disposition.${disposition}` as Word) : disposition);
  const ofPeople: Column<Load>[] = [
    { key: 'person', title: t('team.person'), text: (each) => each.name, sortable: true },
    { key: 'open', title: t('team.open'), text: (each) => each.open, sortable: true, align: 'right' },
    { key: 'overdue', title: t('team.overdue'), text: (each) => each.overdue, sortable: true, align: 'right' },
    { key: 'done', title: t('team.doneToday'), text: (each) => each.done, sortable: true, align: 'right' },
    { key: 'inTime', title: t('team.inTime'), text: (each) => (each.done ? `${Math.round((100 * each.inTime) / each.done)} %` : ''), align: 'right' },
  ];
  const ofTasks: Column<Task>[] = [
    { key: 'subject', title: t('team.task'), text: (each) => each.subject, render: (_, each) => <span className="cut">{each.subject}</span> },
    { key: 'owner', title: t('team.person'), text: (each) => each.owner_name || each.owner || t('team.unassigned'), sortable: true },
    { key: 'state', title: t('common.state'), text: (each) => each.state, render: (_, each) => <StateTag state={each.overdue ? 'overdue' : each.state} /> },
    { key: 'due', title: t('team.due'), text: (each) => each.due, sortable: true, render: (_, each) => <At at={each.due} none={t('day.noDue')} /> },
    { key: 'customer', title: t('common.customer'), text: (each) => each.customer, render: (_, each) => <CustomerLink id={each.customer} /> },
    { key: 'rule', title: t('common.rule'), text: (each) => each.rule, sortable: true, render: (_, each) => <RuleLink name={each.rule} /> },
  ];
  const bars = (names: string[], series: { name: string; data: number[] }[]) => ({
    legend: { top: 0 },
    grid: { left: 8, right: 24, top: 32, bottom: 8, containLabel: true },
    xAxis: { type: 'value', minInterval: 1 },
    yAxis: { type: 'category', data: names },
    series: series.map((each) => ({ ...each, type: 'bar', stack: 'all' })),
  });
  return (
    <Page title={t('team.title')}>
      <Loaded asked={open}>
        {({ tasks }) => (
          <>
            <h2>{t('team.people')}</h2>
            <DataTable name="team" columns={ofPeople} rows={people} rowKey={(each) => each.owner} empty={t('day.emptyWhy')} />
            {people.length > 0 && (
              <div className="grid">
                <Suspense fallback={null}>
                  <Chart
                    label={t('team.load')}
                    height={80 + people.length * 28}
                    option={bars(
                      people.map((each) => each.name),
                      [
                        { name: t('team.open'), data: people.map((each) => each.open - each.overdue) },
                        { name: t('team.overdue'), data: people.map((each) => each.overdue) },
                      ],
                    )}
                  />
                  {results.length > 0 && <Chart label={t('team.results')} height={80 + results.length * 28} option={bars(results.map(([name]) => wordOf(name)), [{ name: t('team.results'), data: results.map(([, count]) => count) }])} />}
                </Suspense>
              </div>
            )}
            <h2>{t('team.reach')}</h2>
            <DataTable name="tasks" columns={ofTasks} rows={tasks} rowKey={(each) => each.id} empty={t('day.empty')} />
          </>
        )}
      </Loaded>
    </Page>
  );
}
