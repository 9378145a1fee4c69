// The daemon: whether the books add up, what waits, how full the disk is.
import { useQuery } from '@tanstack/react-query';
import { Alert, Card, Descriptions } from 'antd';
import { useTranslation } from 'react-i18next';
import { get } from '../api/client';
import type { Status } from '../api/types';
import { Loaded, Page, StateTag, valueText } from '../ui/show';
import { DataTable } from '../ui/table';
import { number } from '../ui/time';
import '../generated/rest.css';

function Tree({ value, title }: { value: unknown; title: string }) {
  if (value === null || typeof value !== 'object') return null;
  return (
    <Card size="small" title={title}>
      <Descriptions size="small" column={1} items={Object.entries(value).map(([name, each]) => ({ key: name, label: name, children: <span className="breakable">{typeof each === 'number' ? number(each) : valueText(each)}</span> }))} />
    </Card>
  );
}

export default function System() {
  const { t } = useTranslation();
  const asked = useQuery({ queryKey: ['status'], queryFn: () => get<Status>('/v1/status'), refetchInterval: 2000 });
  return (
    <Page title={t('system.title')}>
      <Loaded asked={asked}>
        {(status) => {
          const good = status.balance.every((each) => each.holds);
          const { received = 0, decisions = 0, fired = 0, accepted = 0, unknown = 0, dead = 0 } = status.counters;
          return (
            <>
              {status.refusal && <Alert type="error" showIcon title={status.refusal} style={{ marginBottom: 16 }} />}
              <dl className="figures">
                {Object.entries({ received, decisions, fired, accepted, unknown, dead }).map(([name, value]) => (
                  <div className="figure" key={name}>
                    <dt>{name}</dt>
                    <dd>{number(value)}</dd>
                  </div>
                ))}
              </dl>
              <h2>{t('system.balance')}</h2>
              <Alert type={good ? 'success' : 'error'} showIcon title={good ? t('system.balanceGood') : t('system.balanceBad')} style={{ marginBottom: 12 }} />
              <DataTable
                name="balance"
                rowKey={(each) => each.equation}
                rows={status.balance}
                empty=""
                columns={[
                  { key: 'equation', title: t('system.balance'), text: (each) => each.equation },
                  { key: 'left', title: t('system.sides'), text: (each) => each.left, align: 'right', render: (_, each) => `${number(each.left)} = ${number(each.right)}` },
                  { key: 'holds', title: t('common.state'), text: (each) => (each.holds ? '✓' : '✗') },
                ]}
              />
              <div className="grid" style={{ marginTop: 16 }}>
                <Card size="small" title={t('system.title')}>
                  <Descriptions
                    size="small"
                    column={1}
                    items={[
                      { key: 'version', label: t('system.version'), children: status.version },
                      { key: 'ready', label: t('system.ready'), children: <StateTag state={status.ready ? 'ready' : 'starting'} /> },
                    ]}
                  />
                </Card>
                <Tree title={t('system.queue')} value={status.queue} />
                <Tree title={t('system.commit')} value={status.commit} />
                <Tree title={t('system.disk')} value={status.disk} />
                <Tree title={t('system.counters')} value={status.counters} />
              </div>
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
