// The connectors: each a process of its own, with its queue and what it sent.
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { get } from '../api/client';
import type { Connector } from '../api/types';
import { Loaded, Page, StateTag } from '../ui/show';
import { DataTable, type Column } from '../ui/table';
import '../generated/rest.css';

export default function Connectors() {
  const { t } = useTranslation();
  const asked = useQuery({ queryKey: ['connectors'], queryFn: () => get<{ connectors: Connector[] }>('/v1/connectors'), refetchInterval: 3000 });
  const count = (key: 'waiting' | 'under_way' | 'accepted' | 'not_sent' | 'unknown' | 'restarts', title: string): Column<Connector> => ({ key, title, text: (each) => each[key], align: 'right', sortable: true });
  const columns: Column<Connector>[] = [
    { key: 'name', title: t('common.name'), text: (each) => each.name, sortable: true },
    { key: 'kind', title: t('deliveries.kind'), text: (each) => each.kind, sortable: true },
    { key: 'state', title: t('common.state'), text: (each) => each.state, render: (_, each) => <StateTag state={each.state} /> },
    count('waiting', t('state.waiting')),
    count('under_way', t('connectors.underWay')),
    count('accepted', t('state.accepted')),
    count('not_sent', t('connectors.notSent')),
    count('unknown', t('state.unknown')),
    count('restarts', t('connectors.restarts')),
    { key: 'error', title: t('common.why'), text: (each) => each.last_error, render: (_, each) => <span className="cut">{each.last_error}</span> },
  ];
  return (
    <Page title={t('connectors.title')}>
      <Loaded asked={asked}>{({ connectors }) => <DataTable name="connectors" columns={columns} rows={connectors} rowKey={(each) => each.name} empty={t('connectors.empty')} />}</Loaded>
    </Page>
  );
}
