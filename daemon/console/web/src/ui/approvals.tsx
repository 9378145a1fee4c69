// What waits for somebody's yes: what it would send, to whom, until when, and what happens without an answer.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Flex, Space, Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import { get, post, segment } from '../api/client';
import type { Json, Time } from '../api/types';
import { useNotice } from './notice';
import { useReason } from './reason';
import { At, CustomerLink, RuleLink, valueText } from './show';

interface Approval {
  id: string;
  state: string;
  subject: string;
  rule: string;
  why: string;
  customer: string;
  kind: string;
  asked: string;
  asked_name: string;
  deadline: Time;
  otherwise: 'send' | 'drop';
  may_answer: boolean;
  payload: Record<string, Json>;
}

function Waiting({ approval }: { approval: Approval }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const notice = useNotice();
  const ask = useReason();
  const answer = (what: 'approve' | 'reject') => async (reason: string) => {
    try {
      await post(`/v1/approvals/${segment(approval.id)}/${what}`, { reason });
      void notice.success(t('common.done'));
      await client.invalidateQueries({ queryKey: ['approvals'] });
    } catch (error) {
      void notice.error(error instanceof Error ? error.message : String(error), 8);
      throw error;
    }
  };
  const text = valueText(approval.payload['text'] ?? approval.payload['body']);
  return (
    <article className="task is-offered">
      <Flex justify="space-between" gap="small" wrap>
        <h3>{approval.subject || approval.kind}</h3>
        <span className="quiet">
          {t('approval.until')} <At at={approval.deadline} /> · {t(`approval.otherwise.${approval.otherwise}`)}
        </span>
      </Flex>
      <p className="reason">
        <Tag>{approval.kind}</Tag> <CustomerLink id={approval.customer} /> · <RuleLink name={approval.rule} /> {approval.why}
      </p>
      {text && <p className="reason quiet">{text}</p>}
      <Flex gap="small" wrap align="center">
        {approval.may_answer && (
          <Space wrap>
            <Button type="primary" onClick={() => ask(t('approval.approve'), answer('approve'), approval.subject)}>
              {t('approval.approve')}
            </Button>
            <Button onClick={() => ask(t('approval.reject'), answer('reject'), t('approval.rejectHint'))}>{t('approval.reject')}</Button>
          </Space>
        )}
        <span className="quiet">{t('approval.asked', { name: approval.asked_name || approval.asked })}</span>
      </Flex>
    </article>
  );
}

/** Nothing when nothing waits. */
export function Approvals() {
  const { t } = useTranslation();
  const asked = useQuery({ queryKey: ['approvals'], queryFn: () => get<{ total: number; approvals: Approval[] }>('/v1/approvals', { state: 'open', limit: 50 }), refetchInterval: 5000 });
  if (!asked.data?.approvals.length) return null;
  return (
    <section>
      <h2>{t('approval.title', { count: asked.data.total })}</h2>
      {asked.data.approvals.map((each) => (
        <Waiting key={each.id} approval={each} />
      ))}
    </section>
  );
}
