// Segments: how many are in, who came and went.
import { useQuery } from '@tanstack/react-query';
import { Input } from 'antd';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { get, segment } from '../api/client';
import type { Segment } from '../api/types';
import { useLastDay } from '../ui/series';
import { At, Loaded, Page } from '../ui/show';
import { Spark } from '../ui/spark';
import { DataTable, type Column } from '../ui/table';
import { number } from '../ui/time';
import { useUrlState } from '../ui/url';
import '../generated/rest.css';

export default function Segments() {
  const { t } = useTranslation();
  const [url, setUrl] = useUrlState();
  const asked = useQuery({ queryKey: ['segments'], queryFn: ({ signal }) => get<{ segments: Segment[] }>('/v1/segments', {}, signal), refetchInterval: 5000 });
  const lastDay = useLastDay();
  const curves = useMemo(() => new Map((lastDay.data?.segments ?? []).map((each) => [each.name, each.members])), [lastDay.data]);
  const columns: Column<Segment>[] = [
    { key: 'name', title: t('common.name'), text: (each) => each.name, sortable: true, render: (_, each) => <Link href={`/segments/${segment(each.name)}`}>{each.name}</Link> },
    { key: 'members', title: t('segments.members'), text: (each) => each.members, sortable: true, align: 'right', render: (_, each) => number(each.members) },
    { key: 'day', title: t('rules.lastDay'), text: (each) => (curves.get(each.name) ?? []).filter((value) => value !== null).join(' '), render: (_, each) => <Spark values={curves.get(each.name)} label={t('segments.lastDayOf', { name: each.name, count: number(each.members) })} /> },
    { key: 'entered', title: t('segments.entered'), text: (each) => each.entered, sortable: true, align: 'right', render: (_, each) => number(each.entered) },
    { key: 'left', title: t('segments.left'), text: (each) => each.left, sortable: true, align: 'right', render: (_, each) => number(each.left) },
    { key: 'since', title: t('common.since'), text: (each) => each.active_since, render: (_, each) => <At at={each.active_since} /> },
    { key: 'description', title: t('common.description'), text: (each) => each.description, render: (_, each) => <span className="cut">{each.description}</span> },
  ];
  const words = (url['q'] ?? '').toLowerCase();
  return (
    <Page title={t('segments.title')}>
      <Loaded asked={asked}>
        {({ segments }) => (
          <DataTable
            name="segments"
            columns={columns}
            rows={segments.filter((each) => !words || each.name.toLowerCase().includes(words) || each.description.toLowerCase().includes(words))}
            rowKey={(each) => each.name}
            empty={t('segments.empty')}
            filters={<Input allowClear aria-label={t('rules.search')} placeholder={t('rules.search')} defaultValue={url['q']} onChange={(event) => setUrl({ q: event.target.value })} />}
          />
        )}
      </Loaded>
    </Page>
  );
}
