// One rule: what it did and for whom, its text with versions, a trial on a customer, a draft with the same diagnostics as `nudge check`.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, Button, Descriptions, Flex, Select, Space, Tabs } from 'antd';
import { lazy, Suspense, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotice } from '../ui/notice';
import { get, post, segment } from '../api/client';
import type { Rule as RuleOf, Status, Version } from '../api/types';
import { Actions } from '../ui/actions';
import { useReason } from '../ui/reason';
import { Counts } from '../ui/counts';
import { Decisions } from '../ui/decisions';
import { Draft } from '../ui/draft';
import { TryRule } from '../ui/explanation';
import { History } from '../ui/history';
import { RuleState } from '../ui/rule-state';
import type { RuleSeries } from '../ui/series';
import { may, personOf, useSession } from '../ui/session';
import { At, Loaded, Page, StateTag } from '../ui/show';
import { number } from '../ui/time';
import { useUrlState } from '../ui/url';
import '../generated/rest.css';

const Diff = lazy(() => import('../ui/diff'));

interface VersionText {
  version: number;
  rules: { name: string; text: string }[];
}
interface Policies {
  braked: { rule: string; since: string; policy: string; why: string; kept: number }[];
}

function useVersionText(version: number | undefined) {
  return useQuery({ queryKey: ['version', version], queryFn: () => get<VersionText>(`/v1/versions/${version}`), enabled: version !== undefined, staleTime: Infinity });
}

function Overview({ rule }: { rule: RuleOf }) {
  const { t } = useTranslation();
  const lines = useMemo(
    () => [
      { key: 'fired' as const, words: t('rules.fired'), bars: true },
      { key: 'held' as const, words: t('rules.held'), bars: true },
      { key: 'failed' as const, words: t('rules.failed'), bars: true },
    ],
    [t],
  );
  const figures: [string, string][] = [
    [t('rules.members'), number(rule.members)],
    [t('rules.fired'), number(rule.fired)],
    [t('rules.held'), number(rule.held)],
    [t('rules.accepted'), number(rule.accepted)],
    [t('rules.failed'), number(rule.failed)],
  ];
  return (
    <>
      <dl className="figures">
        {figures.map(([name, value]) => (
          <div className="figure" key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Descriptions
        bordered
        size="small"
        column={1}
        items={[
          { key: 'state', label: t('common.state'), children: <StateTag state={rule.state} /> },
          { key: 'trigger', label: t('rules.trigger'), children: rule.trigger },
          { key: 'category', label: t('rules.category'), children: rule.category },
          { key: 'priority', label: t('rules.priority'), children: rule.priority },
          { key: 'last', label: t('rules.lastFired'), children: <At at={rule.last_fired} none={t('common.never')} /> },
          ...(rule.held > 0 ? [{ key: 'held', label: t('rule.heldBy'), children: Object.entries(rule.held_by).map(([name, count]) => `${name}: ${number(count)}`).join(', ') }] : []),
          ...(rule.goal
            ? [
                {
                  key: 'goal',
                  label: t('rule.goal'),
                  children: (
                    <>
                      {t('rule.goalText', { converted: rule.goal.converted, fired: rule.fired, event: rule.goal.event, within: rule.goal.within })}
                      {rule.goal.holdout_fired > 0 && <p>{t('rule.holdout', { converted: rule.goal.holdout_converted, fired: rule.goal.holdout_fired })}</p>}
                    </>
                  ),
                },
              ]
            : []),
          ...(rule.last_error ? [{ key: 'error', label: t('rules.failed'), children: <span className="breakable">{rule.last_error}</span> }] : []),
        ]}
      />
      <History<RuleSeries> kind="rules" name={rule.name} title={t('rule.history')} lines={lines} />
    </>
  );
}

function Braked({ rule }: { rule: string }) {
  const { t } = useTranslation();
  const message = useNotice();
  const session = useSession();
  const client = useQueryClient();
  const ask = useReason();
  const policies = useQuery({ queryKey: ['policies'], queryFn: () => get<Policies>('/v1/policies'), refetchInterval: 5000 });
  const brake = policies.data?.braked.find((each) => each.rule === rule);
  if (!brake) return null;
  const settle = (what: 'release' | 'discard') => async (reason: string) => {
    try {
      await post(`/v1/rules/${segment(rule)}/${what}`, { author: personOf(session), reason });
      void message.success(t('common.done'));
      await client.invalidateQueries();
    } catch (error) {
      void message.error(error instanceof Error ? error.message : String(error), 8);
      throw error;
    }
  };
  const words = t('rule.braked', { why: brake.why, kept: brake.kept });
  return (
    <Alert
      type="warning"
      showIcon
      style={{ marginBottom: 16 }}
      title={words}
      action={
        may(session, 'operator') && (
          <Space orientation="vertical">
            <Button onClick={() => ask(t('rule.release'), settle('release'), words)}>{t('rule.release')}</Button>
            <Button onClick={() => ask(t('rule.discardKept'), settle('discard'), words)}>{t('rule.discardKept')}</Button>
          </Space>
        )
      }
    />
  );
}

function Versions({ file, plan }: { file: string; plan: number }) {
  const { t } = useTranslation();
  const versions = useQuery({ queryKey: ['versions'], queryFn: () => get<{ in_force: number; versions: Version[] }>('/v1/versions') });
  const [chosen, setChosen] = useState<number>();
  const older = chosen ?? versions.data?.versions.find((each) => each.version < plan)?.version;
  const then = useVersionText(older);
  const now = useVersionText(plan);
  const textOf = (version: VersionText | undefined) => version?.rules.find((each) => each.name === file)?.text ?? '';
  return (
    <Loaded asked={versions}>
      {({ versions: all }) => (
        <>
          <Select
            aria-label={t('rule.versions')}
            style={{ minWidth: 280, marginBottom: 12 }}
            value={older}
            placeholder={t('rule.versions')}
            onChange={setChosen}
            options={all.map((each) => ({ value: each.version, label: `${each.version} · ${each.author || each.origin} · ${each.comment || each.at}` }))}
          />
          <Suspense fallback={null}>
            <Diff before={textOf(older === undefined ? now.data : then.data)} after={textOf(now.data)} />
          </Suspense>
        </>
      )}
    </Loaded>
  );
}

export default function Rule({ name }: { name: string }) {
  const { t } = useTranslation();
  const session = useSession();
  const [url, setUrl] = useUrlState();
  const asked = useQuery({ queryKey: ['rule', name], queryFn: () => get<RuleOf>(`/v1/rules/${segment(name)}`), refetchInterval: 5000 });
  const status = useQuery({ queryKey: ['status'], queryFn: () => get<Status & { plan: { sequence: number; rules_from: string } }>('/v1/status') });
  const plan = status.data?.plan.sequence;
  const version = useVersionText(plan);
  const file = asked.data?.file;
  const text = useMemo(() => version.data?.rules.find((each) => each.name === file)?.text, [version.data, file]);
  const tab = url['tab'] ?? 'overview';
  const knows = may(session, 'salesperson', 'manager', 'author', 'operator');
  return (
    <Page title={name} extra={asked.data && (may(session, 'author') && text !== undefined && asked.data.state !== 'draft' ? <RuleState rule={asked.data} text={text} from={status.data?.plan.rules_from ?? ''} /> : <StateTag state={asked.data.state} />)}>
      <Loaded asked={asked}>
        {(rule) => (
          <>
            {rule.description && <p>{rule.description}</p>}
            <Braked rule={name} />
            <Tabs
              activeKey={tab}
              destroyOnHidden
              onChange={(next) => setUrl({ tab: next })}
              items={[
                { key: 'overview', label: t('rule.overview'), children: <Overview rule={rule} /> },
                {
                  key: 'source',
                  label: t('rule.source'),
                  children: text === undefined || plan === undefined ? <Loaded asked={version}>{() => null}</Loaded> : <Draft key={`${rule.file}-${plan}`} file={rule.file} text={text} rule={name} from={status.data?.plan.rules_from ?? ''} />,
                },
                { key: 'counts', label: t('rule.counts'), children: <Counts kind="rules" name={name} /> },
                ...(knows
                  ? [
                      { key: 'decisions', label: t('rule.decisions'), children: <Decisions rule={name} empty={t('rule.noDecisions', { trigger: rule.trigger })} /> },
                      { key: 'actions', label: t('rule.actions'), children: <Actions rule={name} /> },
                      { key: 'try', label: t('rule.try'), children: <TryRule rule={name} customer={url['customer'] ?? ''} choose={(customer) => setUrl({ customer })} /> },
                    ]
                  : []),
                { key: 'versions', label: t('rule.versions'), children: plan === undefined ? null : <Versions file={rule.file} plan={plan} /> },
              ]}
            />
            <Flex justify="end">
              <span className="quiet breakable">
                {rule.file}:{rule.line}
              </span>
            </Flex>
          </>
        )}
      </Loaded>
    </Page>
  );
}
