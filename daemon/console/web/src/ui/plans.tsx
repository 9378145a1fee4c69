// A change of the rules before it is made: what nudged says would happen.
import { Alert, Descriptions } from 'antd';
import { useTranslation } from 'react-i18next';
import { ApiError, post, segment } from '../api/client';

export interface Report {
  diagnostics: { code: string; severity: string; file: string; line: number; column: number; length: number; message: string; hint?: string }[];
}
export interface Plan {
  id: string;
  changed: boolean;
  items: { kind: string; name: string; change: string; state: string; parts: { part: string; was: string; now: string }[] }[];
  fires_at_once: number;
  held_at_once: number;
  actions_at_once: number;
}
export function PlanOf({ plan }: { plan: Plan }) {
  const { t } = useTranslation();
  const changed = plan.items.reduce((sum, item) => sum + Math.max(1, item.parts.length), 0);
  return (
    <>
      <Alert type={plan.actions_at_once > 0 ? 'warning' : 'info'} showIcon title={t('rule.planned', { changed, fires: plan.fires_at_once, actions: plan.actions_at_once })} />
      <Descriptions
        column={1}
        size="small"
        bordered
        items={plan.items.map((item) => ({
          key: `${item.kind} ${item.name}`,
          label: `${item.kind} ${item.name}: ${item.change}`,
          children: (
            <>
              {item.state}
              {item.parts.map((part) => (
                <pre className="code" key={part.part}>{`${part.part}\n− ${part.was}\n+ ${part.now}`}</pre>
              ))}
            </>
          ),
        }))}
      />
    </>
  );
}

// Comparing a draft answers with a plan, or with the report of `nudge check`.
export async function fetchPlan(draft: object): Promise<{ plan: Plan } | { report: Report; text: string }> {
  try {
    return { plan: await post<Plan>('/v1/plans', draft) };
  } catch (error) {
    if (error instanceof ApiError && error.code === 'bad_rules' && error.problem?.['report']) return { report: error.problem['report'] as unknown as Report, text: String(error.problem['text'] ?? error.message) };
    throw error;
  }
}

/** Puts a plan in force; the number of the version. Throws when something was applied meanwhile. */
export async function applyPlan(plan: Plan, author: string, comment: string): Promise<number> {
  return (await post<{ plan: number }>(`/v1/plans/${segment(plan.id)}/apply`, { yes: true, max_actions: plan.actions_at_once, author, comment })).plan;
}
