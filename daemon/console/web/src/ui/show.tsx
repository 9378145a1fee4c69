// Small pieces that every page uses: heading, state, failure, nothing there, link.
import { Alert, Button, Empty, Flex, Skeleton, Tag, Typography } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { ApiError, segment } from '../api/client';
import type { Word } from '../i18n/en';
import { instant } from './time';

const colors: Record<string, string> = {
  accepted: 'success', done: 'success', active: 'success', ready: 'success',
  unknown: 'error', dead: 'error', failed: 'error', overdue: 'error',
  held: 'warning', kept: 'warning', retrying: 'warning', paused: 'warning', backoff: 'warning', expired: 'warning', declined: 'warning',
  in_flight: 'processing', taken: 'processing', shadow: 'processing', starting: 'processing', offered: 'processing',
};

export function StateTag({ state }: { state: string }) {
  const { t, i18n } = useTranslation();
  const key = `state.${state}`;
  return <Tag color={colors[state] ?? 'default'}>{i18n.exists(key) ? t(key as Word) : state}</Tag>;
}

/** A task that is accepted is somebody's; an action that is accepted is delivered. */
export const TaskTag = ({ state }: { state: string }) => <StateTag state={state === 'accepted' ? 'taken' : state} />;

export function Page({ title, extra, children }: { title: ReactNode; extra?: ReactNode; children: ReactNode }) {
  return (
    <section className="page">
      <Flex className="page-head" justify="space-between" align="center" wrap gap="small">
        <Typography.Title level={1}>{title}</Typography.Title>
        {extra}
      </Flex>
      {children}
    </section>
  );
}

/** What went wrong, and what to do. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation();
  const api = error instanceof ApiError ? error : null;
  const words = api?.offline ? t('error.offline') : api?.status === 403 ? t('error.forbidden') : error instanceof Error ? error.message : String(error);
  return <Alert type="error" showIcon title={t('error.title')} description={words} action={retry && <Button onClick={retry}>{t('error.retry')}</Button>} />;
}

export function Nothing({ words, children }: { words: string; children?: ReactNode }) {
  return (
    <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={words}>
      {children}
    </Empty>
  );
}

interface Asked<T> {
  data: T | undefined;
  error: unknown;
  isPending: boolean;
  refetch: () => unknown;
}
/** Shows what was asked for, or that it is on its way, or why it isn't there. What was there before stays while it is asked again. */
export function Loaded<T>({ asked, children }: { asked: Asked<T>; children: (data: T) => ReactNode }) {
  if (asked.data !== undefined) return <>{children(asked.data)}</>;
  if (asked.error) return <Failure error={asked.error} retry={() => void asked.refetch()} />;
  return <Skeleton active title={false} paragraph={{ rows: 6 }} />;
}

export const CustomerLink = ({ id }: { id: string }) => <Link href={`/customers/${segment(id)}`}>{id}</Link>;
export const RuleLink = ({ name }: { name: string }) => <Link href={`/rules/${segment(name)}`}>{name}</Link>;
export const At = ({ at, none }: { at: string | null | undefined; none?: string }) => (at ? <time dateTime={at}>{instant(at)}</time> : <>{none ?? ''}</>);

/** A value as it came, never as markup. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
