// What leaves: each action with its fate, and the one switch that stops everything.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, Button, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { useNotice } from '../ui/notice';
import { get, post } from '../api/client';
import { Actions } from '../ui/actions';
import { useReason } from '../ui/reason';
import { may, personOf, useSession } from '../ui/session';
import { Page } from '../ui/show';
import { useUrlState } from '../ui/url';
import '../generated/rest.css';

const states = ['waiting', 'in_flight', 'retrying', 'unknown', 'accepted', 'dead', 'held', 'kept', 'discarded', 'cancelled'] as const;

export default function Deliveries() {
  const { t } = useTranslation();
  const message = useNotice();
  const session = useSession();
  const client = useQueryClient();
  const ask = useReason();
  const [url, setUrl] = useUrlState();
  const policies = useQuery({ queryKey: ['policies'], queryFn: () => get<{ stopped: boolean }>('/v1/policies'), refetchInterval: 5000 });
  const stopped = policies.data?.stopped ?? false;
  const turn = (stop: 'on' | 'off') => async (reason: string) => {
    try {
      await post('/v1/stop-all', { stop, author: personOf(session), reason });
      await client.invalidateQueries({ queryKey: ['policies'] });
    } catch (error) {
      void message.error(error instanceof Error ? error.message : String(error), 8);
      throw error;
    }
  };
  const button = may(session, 'operator', 'manager') && (
    <Button danger={!stopped} onClick={() => ask(stopped ? t('deliveries.go') : t('deliveries.stop'), turn(stopped ? 'off' : 'on'), t('deliveries.stopHint'))}>
      {stopped ? t('deliveries.go') : t('deliveries.stop')}
    </Button>
  );
  return (
    <Page title={t('deliveries.title')} extra={button}>
      {stopped && <Alert type="warning" showIcon title={t('deliveries.stopped')} style={{ marginBottom: 16 }} />}
      <Actions
        state={url['state']}
        kind={url['kind']}
        filters={
          <Select
            aria-label={t('common.state')}
            style={{ minWidth: 180 }}
            value={url['state'] ?? ''}
            onChange={(state) => setUrl({ state })}
            options={[{ value: '', label: `${t('common.state')}: ${t('table.any')}` }, ...states.map((state) => ({ value: state, label: t(`state.${state}`) }))]}
          />
        }
      />
    </Page>
  );
}
