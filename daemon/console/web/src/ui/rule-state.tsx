// Turns a rule on, off, or into a shadow that only counts: what would happen is shown before.
import { useQueryClient } from '@tanstack/react-query';
import { Alert, Button, Modal, Segmented, Space } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Rule } from '../api/types';
import { useNotice } from './notice';
import { applyPlan, fetchPlan, PlanOf, type Plan } from './plans';
import { useReason } from './reason';
import { may, personOf, useSession } from './session';

const states = ['active', 'shadow', 'paused'] as const;
type State = (typeof states)[number];

/** The text of the file with the rule's `state` said or changed; undefined when the rule is not found where it should be. */
export function withState(text: string, rule: string, line: number, state: State): string | undefined {
  const lines = text.split('\n');
  const at = line - 1;
  const head = lines[at];
  const indent = head?.match(/^( *)(["']?)(.+?)\2:\s*(#.*)?$/);
  if (head === undefined || !indent || indent[3] !== rule) return undefined;
  let end = at + 1;
  const depth = (each: string): number => each.length - each.trimStart().length;
  while (end < lines.length && (lines[end]!.trim() === '' || lines[end]!.trimStart().startsWith('#') || depth(lines[end]!) > indent[1]!.length)) end += 1;
  const first = lines.slice(at + 1, end).find((each) => each.trim() !== '' && !each.trimStart().startsWith('#'));
  if (first === undefined) return undefined;
  const inner = ' '.repeat(depth(first));
  const said = lines.findIndex((each, i) => i > at && i < end && each.startsWith(`${inner}state:`));
  if (said >= 0) lines[said] = `${inner}state: ${state}`;
  else lines.splice(at + 1, 0, `${inner}state: ${state}`);
  return lines.join('\n');
}

export function RuleState({ rule, text, from }: { rule: Rule; text: string | undefined; from: string }) {
  const { t } = useTranslation();
  const session = useSession();
  const client = useQueryClient();
  const notice = useNotice();
  const ask = useReason();
  const [wanted, setWanted] = useState<State>();
  const [plan, setPlan] = useState<Plan>();
  if (!may(session, 'author') || text === undefined || rule.state === 'draft') return null;
  const forget = () => {
    setWanted(undefined);
    setPlan(undefined);
  };
  const failed = (error: unknown) => void notice.error(error instanceof Error ? error.message : String(error), 8);
  const choose = async (state: State) => {
    if (state === rule.state) return forget();
    const changed = withState(text, rule.name, rule.line, state);
    setWanted(state);
    if (changed === undefined) return failed(t('rule.stateByHand', { file: rule.file, line: rule.line }));
    try {
      const answer = await fetchPlan({ rules: [{ name: rule.file, text: changed }], overlay: true });
      if ('plan' in answer) setPlan(answer.plan);
      else failed(answer.text);
    } catch (error) {
      failed(error);
    }
  };
  const apply = async (reason: string) => {
    if (!plan) return;
    try {
      const version = await applyPlan(plan, personOf(session), reason);
      void notice.success(t('rule.applied', { plan: version }));
      forget();
      await client.invalidateQueries();
    } catch (error) {
      failed(error);
      throw error;
    }
  };
  return (
    <>
      <Segmented aria-label={t('common.state')} value={wanted ?? rule.state} onChange={(next) => void choose(next as State)} options={states.map((value) => ({ value, label: t(`state.${value}`) }))} />
      {plan && wanted && (
        <Modal open title={`${rule.name}: ${t(`state.${rule.state as State}`)} → ${t(`state.${wanted}`)}`} footer={null} onCancel={forget}>
          <Space orientation="vertical" style={{ width: '100%' }}>
            <p>{t(`rule.becomes.${wanted}`)}</p>
            <PlanOf plan={plan} />
            {from === 'apply' ? (
              <Button type="primary" onClick={() => ask(t('rule.apply'), apply, t('rule.planned', { changed: plan.items.length, fires: plan.fires_at_once, actions: plan.actions_at_once }))}>
                {t('rule.apply')}
              </Button>
            ) : (
              <Alert type="info" showIcon title={t('rule.noApply', { file: rule.file })} />
            )}
          </Space>
        </Modal>
      )}
    </>
  );
}
