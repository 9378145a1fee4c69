// One customer in one screen: who it is, what happened, what was done, what waits; and why a rule does or does not fire.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Button, Card, Descriptions, Flex, Input, Segmented, Select, Tabs, Tag, Timeline } from 'antd';
import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { get, post, segment } from '../api/client';
import type { Customer as CustomerOf, Rule, Segment } from '../api/types';
import { Actions } from '../ui/actions';
import { Decisions } from '../ui/decisions';
import { ExplanationOf } from '../ui/explanation';
import { useNotice } from '../ui/notice';
import { may, useSession } from '../ui/session';
import { At, Loaded, Nothing, Page, RuleLink, StateTag, TaskTag, valueText } from '../ui/show';
import { useUrlState } from '../ui/url';
import '../generated/rest.css';

interface Moment {
  at: string;
  key: string;
  color: string;
  what: ReactNode;
}

// Of events that tell of the product's own work people want to know these, in this order; the ids are for machines.
const ofWork = ['subject', 'kind', 'text', 'disposition', 'result', 'note', 'reason', 'pool', 'owner', 'by', 'previous', 'again_at', 'channel', 'rule'];
function facts(event: string, data: Record<string, unknown>): [string, unknown][] {
  const given = Object.entries(data).filter(([, value]) => value !== null && value !== '');
  if (!/^((task|message|lead|approval|opportunity)_|follow_up$)/.test(event)) return given;
  return given.filter(([name]) => ofWork.includes(name)).sort(([a], [b]) => ofWork.indexOf(a) - ofWork.indexOf(b));
}

// Everything that happened, newest first, in one line: events, decisions, messages.
function moments(customer: CustomerOf): Moment[] {
  const events = customer.events.map((each) => ({
    at: each.time,
    key: `e ${each.id}`,
    color: 'blue',
    what: (
      <>
        <strong>{each.event}</strong>{' '}
        <span className="quiet breakable">
          {facts(each.event, each.data)
            .map(([name, value]) => `${name}: ${valueText(value)}`)
            .join(' · ')}
        </span>
      </>
    ),
  }));
  const actions = customer.actions.map((each) => ({
    at: each.at,
    key: `a ${each.id}`,
    color: 'green',
    what: (
      <>
        {each.kind} <StateTag state={each.state} /> <RuleLink name={each.rule} />
      </>
    ),
  }));
  return [...events, ...actions].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
}

function Story({ customer }: { customer: CustomerOf }) {
  const { t } = useTranslation();
  const all = moments(customer);
  if (all.length === 0) return <Nothing words={t('table.empty')} />;
  return (
    <Timeline
      items={all.map((each) => ({
        key: each.key,
        color: each.color,
        content: (
          <>
            <span className="quiet">
              <At at={each.at} />
            </span>
            <div>{each.what}</div>
          </>
        ),
      }))}
    />
  );
}

function Facts({ values, title }: { values: Record<string, unknown>; title: string }) {
  const given = Object.entries(values).filter(([, value]) => value !== null);
  if (given.length === 0) return null;
  return <Descriptions bordered size="small" column={1} title={title} items={given.map(([name, value]) => ({ key: name, label: name, children: <span className="breakable">{valueText(value)}</span> }))} />;
}

function Explain({ customer }: { customer: string }) {
  const { t } = useTranslation();
  const [url, setUrl] = useUrlState();
  const rules = useQuery({ queryKey: ['rules'], queryFn: () => get<{ rules: Rule[] }>('/v1/rules') });
  const segments = useQuery({ queryKey: ['segments'], queryFn: () => get<{ segments: Segment[] }>('/v1/segments') });
  const [kind, name] = [url['why']?.slice(0, 1), url['why']?.slice(2) ?? ''];
  return (
    <>
      <Select
        showSearch
        aria-label={t('customer.chooseRule')}
        placeholder={t('customer.chooseRule')}
        style={{ width: '100%', maxWidth: 420, marginBottom: 16 }}
        value={url['why']}
        onChange={(why) => setUrl({ why })}
        options={[
          { label: t('rules.title'), options: (rules.data?.rules ?? []).map((each) => ({ value: `r ${each.name}`, label: each.name })) },
          { label: t('segments.title'), options: (segments.data?.segments ?? []).map((each) => ({ value: `s ${each.name}`, label: each.name })) },
        ]}
      />
      {name && <ExplanationOf customer={customer} rule={kind === 'r' ? name : undefined} segment={kind === 's' ? name : undefined} />}
    </>
  );
}

// What somebody says of the customer: a follow-up, for the others and for rules.
function Note({ customer, saved }: { customer: string; saved: () => void }) {
  const { t } = useTranslation();
  const notice = useNotice();
  const [text, setText] = useState(() => localStorage.getItem(`nudge.note.${customer}`) ?? '');
  const [kind, setKind] = useState<'note' | 'call' | 'visit'>('note');
  const [busy, setBusy] = useState(false);
  const write = (words: string) => {
    setText(words);
    if (words) localStorage.setItem(`nudge.note.${customer}`, words);
    else localStorage.removeItem(`nudge.note.${customer}`);
  };
  const save = async () => {
    setBusy(true);
    try {
      await post(`/v1/customers/${segment(customer)}/notes`, { kind, text });
      write('');
      void notice.success(t('day.sent'));
      saved();
    } catch (error) {
      void notice.error(error instanceof Error ? error.message : String(error), 8);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Card size="small" title={t('customer.note')}>
      <Segmented aria-label={t('customer.note')} value={kind} onChange={(next) => setKind(next as typeof kind)} options={(['note', 'call', 'visit'] as const).map((value) => ({ value, label: t(`customer.kind.${value}`) }))} />
      <Input.TextArea aria-label={t('day.note')} rows={3} value={text} placeholder={t('day.noteHint')} onChange={(event) => write(event.target.value)} style={{ margin: '8px 0' }} />
      <Button type="primary" disabled={!text.trim()} loading={busy} onClick={() => void save()}>
        {t('common.save')}
      </Button>
    </Card>
  );
}

export default function Customer({ id }: { id: string }) {
  const { t } = useTranslation();
  const [url, setUrl] = useUrlState();
  const session = useSession();
  const [whole, setWhole] = useState(false);
  // Personal data is asked for once, not every few seconds: each look is a record of the audit log.
  const asked = useQuery({
    queryKey: ['customer', id, whole],
    queryFn: () => get<CustomerOf>(`/v1/customers/${segment(id)}`, { events: 200, ...(whole && { personal: 'full' }) }),
    refetchInterval: whole ? false : 5000,
    placeholderData: keepPreviousData,
  });
  return (
    <Page
      title={valueText(asked.data?.attributes['name']) || id}
      extra={
        <Flex gap="small" align="center" wrap>
          <span className="quiet breakable">{id}</span>
          {(asked.data?.masked?.length ?? 0) > 0 && !whole && (
            <Button title={t('customer.showHint')} onClick={() => setWhole(true)}>
              {t('customer.show')}
            </Button>
          )}
        </Flex>
      }
    >
      <Loaded asked={asked}>
        {(customer) => (
          <>
            <Flex gap="small" wrap style={{ marginBottom: 12 }}>
              {customer.segments.map((each) => (
                <Link key={each.name} href={`/segments/${segment(each.name)}`}>
                  <Tag color="blue">{each.name}</Tag>
                </Link>
              ))}
              {customer.tags.map((each) => (
                <Tag key={each}>{each}</Tag>
              ))}
              {customer.aliases.length > 0 && (
                <span className="quiet breakable">
                  {t('customer.aliases')}: {customer.aliases.join(', ')}
                </span>
              )}
            </Flex>
            <Tabs
              activeKey={url['tab'] ?? 'story'}
              destroyOnHidden
              onChange={(tab) => setUrl({ tab })}
              items={[
                {
                  key: 'story',
                  label: t('customer.timeline'),
                  children: (
                    <div className="grid">
                      <Card title={t('customer.timeline')} extra={t('customer.events', { count: customer.events_stored })}>
                        <Story customer={customer} />
                      </Card>
                      <Flex vertical gap="middle">
                        {may(session, 'salesperson', 'manager') && <Note customer={id} saved={() => void asked.refetch()} />}
                        {customer.tasks.map((task) => (
                          <Card key={task.id} size="small" title={task.subject} extra={<TaskTag state={task.state} />}>
                            <p className="breakable">{valueText(task.payload['reason']) || task.reason}</p>
                            <span className="quiet">
                              {task.owner_name || task.team} · <At at={task.due} none={t('day.noDue')} />
                            </span>
                          </Card>
                        ))}
                        {customer.waiting_steps.length > 0 && (
                          <Card size="small" title={t('customer.waiting')}>
                            {customer.waiting_steps.map((each, at) => (
                              <p key={at}>
                                <RuleLink name={each.rule} /> · {each.what} · <At at={each.due} />
                              </p>
                            ))}
                          </Card>
                        )}
                        <Facts title={t('customer.attributes')} values={customer.attributes} />
                        <Facts title={t('customer.traits')} values={customer.traits} />
                      </Flex>
                    </div>
                  ),
                },
                { key: 'why', label: t('customer.explain'), children: <Explain customer={id} /> },
                { key: 'actions', label: t('customer.actions'), children: <Actions customer={id} /> },
                { key: 'decisions', label: t('customer.decisions'), children: <Decisions customer={id} empty={t('table.empty')} /> },
              ]}
            />
          </>
        )}
      </Loaded>
    </Page>
  );
}
