// One opportunity: its key tasks, its way so far, and what can be done with it.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Checkbox, Flex, Input, Select, Space, Timeline } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { get, post, segment } from '../api/client';
import { useNotice } from './notice';
import { useReason } from './reason';
import { may, useSession } from './session';
import { Loaded } from './show';
import { instant } from './time';

export interface Opportunity {
  id: string;
  customer: string;
  funnel: string;
  state: 'open' | 'won' | 'lost';
  stage: string;
  title: string;
  owner: string;
  amount: string | null;
  probability: number;
  opened: string;
  stage_since: string;
  stage_age_ms: number;
  stalled: boolean;
  reason: string;
  tasks_left: number;
}
interface Whole extends Opportunity {
  tasks: { stage: string; task: string; done: boolean; at: string | null; by: string }[];
  history: { at: string; what: string; stage: string; by: string; reason: string }[];
}

export function OpportunityOf({ id, stages }: { id: string; stages: string[] }) {
  const { t } = useTranslation();
  const notice = useNotice();
  const client = useQueryClient();
  const ask = useReason();
  const mayChange = may(useSession(), 'salesperson', 'manager');
  const [won, setWon] = useState('');
  const asked = useQuery({ queryKey: ['opportunity', id], queryFn: () => get<Whole>(`/v1/opportunities/${segment(id)}`) });
  const act = async (what: string, body: object) => {
    try {
      await post(`/v1/opportunities/${segment(id)}/${what}`, body);
      void notice.success(t('common.done'));
    } catch (error) {
      void notice.error(error instanceof Error ? error.message : String(error), 8);
      throw error;
    } finally {
      await Promise.all(['/v1/opportunities', 'opportunity', 'funnel'].map((key) => client.invalidateQueries({ queryKey: [key] })));
    }
  };
  const tell = (what: string, body: object) => void act(what, body).catch(() => {});
  return (
    <Loaded asked={asked}>
      {(whole) => (
        <div className="grid">
          <div>
            {whole.tasks.length > 0 && <h3>{t('funnel.keyTasks')}</h3>}
            <Flex vertical gap="small">
              {whole.tasks.map((task) => (
                <Checkbox key={`${task.stage} ${task.task}`} checked={task.done} disabled={whole.state !== 'open' || !mayChange} onChange={(event) => tell(event.target.checked ? 'done' : 'undone', { task: task.task, stage: task.stage })}>
                  {task.task} <span className="quiet">{task.done ? `${instant(task.at)} ${task.by}` : task.stage}</span>
                </Checkbox>
              ))}
            </Flex>
            {whole.state === 'open' && mayChange && (
              <Flex vertical gap="small" style={{ marginTop: 12 }}>
                <Select aria-label={t('funnel.move')} value={whole.stage} onChange={(stage) => tell('move', { stage })} options={stages.map((value) => ({ value, label: value }))} style={{ maxWidth: 280 }} />
                <Space wrap>
                  <Space.Compact>
                    <Input aria-label={t('funnel.wonFor')} placeholder={whole.amount ?? t('funnel.wonFor')} inputMode="decimal" value={won} onChange={(event) => setWon(event.target.value)} style={{ width: 140 }} />
                    <Button type="primary" onClick={() => tell('win', won.trim() ? { amount: won.trim() } : {})}>
                      {t('funnel.win')}
                    </Button>
                  </Space.Compact>
                  <Button onClick={() => ask(t('funnel.lose'), (reason) => act('lose', { reason }), whole.title || whole.customer)}>{t('funnel.lose')}</Button>
                </Space>
              </Flex>
            )}
          </div>
          <Timeline items={whole.history.map((each, at) => ({ key: at, content: `${instant(each.at)} · ${each.what} ${each.stage} ${each.by} ${each.reason}` }))} />
        </div>
      )}
    </Loaded>
  );
}
