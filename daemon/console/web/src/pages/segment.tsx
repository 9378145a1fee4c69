// One segment: how many are in and were, who is, who came and went, and what its condition asks of them.
import { useQuery } from '@tanstack/react-query';
import { Tabs } from 'antd';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { get, segment } from '../api/client';
import type { Segment as SegmentOf } from '../api/types';
import { Changes } from '../ui/changes';
import { Counts } from '../ui/counts';
import { History } from '../ui/history';
import { Members } from '../ui/members';
import type { SegmentSeries } from '../ui/series';
import { may, useSession } from '../ui/session';
import { Loaded, Page } from '../ui/show';
import { number } from '../ui/time';
import { useUrlState } from '../ui/url';
import '../generated/rest.css';

export default function Segment({ name }: { name: string }) {
  const { t } = useTranslation();
  const session = useSession();
  const [url, setUrl] = useUrlState();
  const asked = useQuery({ queryKey: ['segment', name], queryFn: () => get<SegmentOf>(`/v1/segments/${segment(name)}`), refetchInterval: 5000 });
  const lines = useMemo(
    () => [
      { key: 'members' as const, words: t('segments.members') },
      { key: 'entered' as const, words: t('segments.entered'), bars: true },
      { key: 'left' as const, words: t('segments.left'), bars: true },
    ],
    [t],
  );
  const knows = may(session, 'salesperson', 'manager', 'author', 'operator');
  return (
    <Page title={name}>
      <Loaded asked={asked}>
        {(each) => (
          <>
            {each.description && <p>{each.description}</p>}
            <dl className="figures">
              {(
                [
                  [t('segments.members'), each.members],
                  [t('segments.entered'), each.entered],
                  [t('segments.left'), each.left],
                ] as const
              ).map(([words, value]) => (
                <div className="figure" key={words}>
                  <dt>{words}</dt>
                  <dd>{number(value)}</dd>
                </div>
              ))}
            </dl>
            <Tabs
              activeKey={url['tab'] ?? 'history'}
              destroyOnHidden
              onChange={(tab) => setUrl({ tab })}
              items={[
                { key: 'history', label: t('segment.history'), children: <History<SegmentSeries> kind="segments" name={name} title={t('segment.history')} lines={lines} /> },
                { key: 'counts', label: t('rule.counts'), children: <Counts kind="segments" name={name} /> },
                ...(knows
                  ? [
                      { key: 'members', label: t('segments.members'), children: <Members name={name} /> },
                      { key: 'changes', label: t('segment.changes'), children: <Changes name={name} /> },
                    ]
                  : []),
              ]}
            />
          </>
        )}
      </Loaded>
    </Page>
  );
}
