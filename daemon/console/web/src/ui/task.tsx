// One task as its owner sees it: take it or leave it, call, say what came of it.
import { useQuery } from '@tanstack/react-query';
import { Button, Drawer, Flex, Input, Tag } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { ApiError, get, post, segment } from '../api/client';
import type { Customer, Json, Task } from '../api/types';
import { useDispositionWords, useDispositions } from './dispositions';
import { useNotice } from './notice';
import { complete, draft, keepDraft } from './outbox';
import { valueText } from './show';
import { instant, span } from './time';

const soon = 60 * 60_000;
const numbers = ['phone', 'mobile', 'mobile_phone', 'phone_number', 'tel'];
const text = (task: Task, name: string): string => valueText(task.payload[name] as Json | undefined);
const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const isClosed = (task: Task): boolean => ['done', 'cancelled', 'expired'].includes(task.state);
/** Comes back later, as after "call back at": there is nothing to do about it now. */
export const isLater = (task: Task, now: number): boolean => !isClosed(task) && !!task.again_at && Date.parse(task.again_at) > now;

function Countdown({ task, now }: { task: Task; now: number }) {
  const { t } = useTranslation();
  const offered = task.state === 'offered' && task.accept_by;
  const at = isLater(task, now) ? task.again_at : offered ? task.accept_by : task.due;
  if (!at) return <span className="quiet">{t('day.noDue')}</span>;
  const left = Date.parse(at) - now;
  if (isLater(task, now)) return <time className="quiet" dateTime={at}>{t('day.again', { time: instant(at) })}</time>;
  const kind = left < 0 ? 'is-overdue' : left < soon ? 'is-soon' : '';
  const words = offered ? t('day.acceptIn', { time: span(left) }) : left < 0 ? t('day.overdueBy', { time: span(left) }) : t('day.dueIn', { time: span(left) });
  return (
    <time className={`countdown ${kind}`} dateTime={at} title={instant(at)}>
      {words}
    </time>
  );
}

// The number is shown masked until it is called: each look at it is in the audit log.
function Call({ task }: { task: Task }) {
  const { t } = useTranslation();
  const notice = useNotice();
  const [dialled, setDialled] = useState('');
  const masked = useQuery({
    queryKey: ['customer-short', task.customer],
    queryFn: () => get<Customer>(`/v1/customers/${segment(task.customer)}`, { events: 0 }),
    staleTime: 60_000,
    retry: false,
  });
  const name = numbers.find((each) => masked.data?.attributes[each] !== undefined);
  if (name === undefined) return null;
  const call = async () => {
    try {
      const whole = await get<Customer>(`/v1/customers/${segment(task.customer)}`, { events: 0, personal: 'full' });
      const number = valueText(whole.attributes[name]);
      setDialled(number);
      location.assign(`tel:${number}`);
    } catch (error) {
      void notice.error(error instanceof ApiError && error.offline ? t('day.callOffline') : wordsOf(error));
    }
  };
  if (dialled)
    return (
      <Button type="primary" href={`tel:${dialled}`}>
        {t('day.call')} {dialled}
      </Button>
    );
  return (
    <Button type="primary" onClick={() => void call()}>
      {t('day.call')} {valueText(masked.data?.attributes[name])}
    </Button>
  );
}

export function TaskCard({ task, now, finish, decline, changed }: { task: Task; now: number; finish: (task: Task) => void; decline: (task: Task) => void; changed: () => void }) {
  const { t } = useTranslation();
  const notice = useNotice();
  const dispositionWords = useDispositionWords();
  const [busy, setBusy] = useState(false);
  const closed = isClosed(task);
  const left = task.due ? Date.parse(task.due) - now : Infinity;
  const look = closed ? 'is-done' : isLater(task, now) ? 'is-later' : task.state === 'offered' ? 'is-offered' : left < 0 ? 'is-overdue' : left < soon ? 'is-soon' : '';
  const accept = async () => {
    setBusy(true);
    try {
      await post(`/v1/tasks/${segment(task.id)}/accept`);
      changed();
    } catch (error) {
      void notice.error(wordsOf(error));
      changed();
    } finally {
      setBusy(false);
    }
  };
  return (
    <article className={`task ${look}`}>
      <Flex justify="space-between" gap="small" wrap>
        <h2>{task.subject}</h2>
        {closed ? <Tag color={task.state === 'done' ? 'success' : 'default'}>{task.state === 'done' ? dispositionWords(task.disposition) : t(`state.${task.state as 'expired'}`)}</Tag> : <Countdown task={task} now={now} />}
      </Flex>
      <p className="reason">{text(task, 'reason') || task.reason}</p>
      {text(task, 'script') && !closed && (
        <p className="reason quiet">
          <strong>{t('day.script')}:</strong> {text(task, 'script')}
        </p>
      )}
      {task.note && (
        <p className="reason">
          {!closed && task.disposition && <strong>{dispositionWords(task.disposition)}: </strong>}
          {task.note}
        </p>
      )}
      <Flex gap="small" wrap align="center">
        {task.mandatory && <Tag color="error">{t('day.mandatory')}</Tag>}
        {(task.tries ?? 0) > 0 && !closed && <Tag>{t('day.tries', { count: task.tries })}</Tag>}
        {task.state === 'offered' ? (
          <>
            <Button type="primary" loading={busy} onClick={() => void accept()}>
              {t('day.accept')}
            </Button>
            <Button onClick={() => decline(task)}>{t('day.decline')}</Button>
          </>
        ) : (
          !closed && (
            <>
              <Call task={task} />
              <Button onClick={() => finish(task)}>{t('day.finish')}</Button>
            </>
          )
        )}
        <Link href={`/customers/${segment(task.customer)}`}>
          {t('day.story')}: {task.customer}
        </Link>
        {task.owner_name && <span className="quiet">{task.owner_name}</span>}
      </Flex>
    </article>
  );
}

// A local instant as a `datetime-local` field has it.
function local(at: Date): string {
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
function tomorrowAt(hour: number): Date {
  const at = new Date();
  at.setDate(at.getDate() + 1);
  at.setHours(hour, 0, 0, 0);
  return at;
}

function WhenAgain({ value, choose }: { value: string; choose: (at: string) => void }) {
  const { t } = useTranslation();
  const offers: [string, () => Date][] = [
    [t('day.inHours', { count: 1 }), () => new Date(Date.now() + 3_600_000)],
    [t('day.inHours', { count: 3 }), () => new Date(Date.now() + 3 * 3_600_000)],
    [t('day.tomorrow'), () => tomorrowAt(9)],
  ];
  return (
    <>
      <label htmlFor="again">{t('day.callBack')}</label>
      <Flex gap="small" wrap style={{ margin: '4px 0 12px' }}>
        {offers.map(([words, at]) => (
          <Button key={words} onClick={() => choose(local(at()))}>
            {words}
          </Button>
        ))}
        <Input id="again" type="datetime-local" value={value} min={local(new Date())} onChange={(event) => choose(event.target.value)} style={{ maxWidth: 240 }} />
      </Flex>
    </>
  );
}

export function Finish({ task, close, done }: { task: Task; close: () => void; done: () => void }) {
  const { t } = useTranslation();
  const notice = useNotice();
  const all = useDispositions(task.rule);
  const dispositionWords = useDispositionWords();
  const [note, setNote] = useState(() => draft(task.id));
  const [chosen, setChosen] = useState<string>('');
  const [again, setAgain] = useState(() => local(tomorrowAt(9)));
  const [busy, setBusy] = useState(false);
  const asksTime = all.find((each) => each.name === chosen)?.asks_time ?? false;
  const write = (words: string) => {
    setNote(words);
    keepDraft(task.id, words);
  };
  const send = async () => {
    setBusy(true);
    try {
      const fate = await complete({ task: task.id, disposition: chosen, note, ...(asksTime && { at: new Date(again).toISOString() }) });
      void notice.success(fate === 'sent' ? t('day.sent') : t('day.kept'));
      done();
    } catch (error) {
      void notice.error(error instanceof ApiError && error.status === 409 ? t('day.alreadyDone') : wordsOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Drawer open placement="bottom" size="large" title={task.subject} onClose={close}>
      <div className="narrow">
        <h2 id="results">{t('day.result')}</h2>
        <div className="dispositions" role="group" aria-labelledby="results">
          {all.map(({ name }) => (
            <Button key={name} size="large" type={chosen === name ? 'primary' : 'default'} aria-pressed={chosen === name} onClick={() => setChosen(name)}>
              {dispositionWords(name)}
            </Button>
          ))}
        </div>
        {asksTime && <WhenAgain value={again} choose={setAgain} />}
        <label htmlFor="note">{t('day.note')}</label>
        <Input.TextArea id="note" rows={4} value={note} placeholder={t('day.noteHint')} onChange={(event) => write(event.target.value)} />
        <Button type="primary" size="large" block disabled={!chosen || (asksTime && !again)} loading={busy} onClick={() => void send()} style={{ marginTop: 12 }}>
          {t('day.send')}
        </Button>
      </div>
    </Drawer>
  );
}

export function Decline({ task, close, done }: { task: Task; close: () => void; done: () => void }) {
  const { t } = useTranslation();
  const notice = useNotice();
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    try {
      await post(`/v1/tasks/${segment(task.id)}/decline`, { reason });
      done();
    } catch (error) {
      void notice.error(wordsOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Drawer open placement="bottom" size="default" title={task.subject} onClose={close}>
      <div className="narrow">
        <p>{t('day.declineHint')}</p>
        <label htmlFor="why-not">{t('common.reason')}</label>
        <Input.TextArea id="why-not" rows={3} value={reason} onChange={(event) => setReason(event.target.value)} />
        <Button type="primary" size="large" block loading={busy} onClick={() => void send()} style={{ marginTop: 12 }}>
          {t('day.declineSend')}
        </Button>
      </div>
    </Drawer>
  );
}
