// Why, and why not: the parts of a condition, each with what it was judged by.
import { Alert, Input, Space, Button, Descriptions, Card, Flex } from 'antd';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { get } from '../api/client';
import type { Json, Part } from '../api/types';
import { Loaded, Nothing, valueText } from './show';

interface Explanation {
  verdict?: string;
  trigger?: string;
  condition?: Part;
  limits?: string[];
  policies?: Json[];
  [key: string]: unknown;
}

function Parts({ part }: { part: Part }) {
  const mark = part.holds === true ? '✓' : part.holds === false ? '✗' : '?';
  const look = part.holds === true ? 'is-true' : part.holds === false ? 'is-false' : '';
  return (
    <li>
      <span className={`mark ${look}`}>{mark}</span>
      {part.text}
      {part.value !== undefined && part.value !== null && <span className="quiet"> · {valueText(part.value)}</span>}
      {part.until && <span className="quiet"> · → {valueText(part.until)}</span>}
      {part.parts && part.parts.length > 0 && (
        <ul className="part">
          {part.parts.map((each, at) => (
            <Parts key={at} part={each} />
          ))}
        </ul>
      )}
    </li>
  );
}

export function ExplanationOf({ customer, rule, segment, at }: { customer: string; rule?: string; segment?: string; at?: string }) {
  const asked = useQuery({
    queryKey: ['explain', customer, rule, segment, at],
    queryFn: () => get<{ explanation: Explanation }>('/v1/explain', { customer, rule, segment, at }),
    retry: false,
  });
  return (
    <Loaded asked={asked}>
      {({ explanation }) => {
        const root = explanation.condition ?? ('text' in explanation ? (explanation as unknown as Part) : undefined);
        return (
          <>
            {explanation.verdict && <Alert type="info" showIcon title={explanation.verdict} />}
            {explanation.trigger && <p className="breakable">{explanation.trigger}</p>}
            {root && (
              <ul className="part">
                <Parts part={root} />
              </ul>
            )}
            {explanation.policies && explanation.policies.length > 0 && <pre className="code">{JSON.stringify(explanation.policies, null, 2)}</pre>}
          </>
        );
      }}
    </Loaded>
  );
}

interface Step {
  step: string;
  kind: string;
  channel: string;
  reached: boolean;
  payload: Record<string, Json> | null;
  error: string | null;
  policy: { verdict: string; words: string | null } | null;
}
function PreviewOf({ customer, rule }: { customer: string; rule: string }) {
  const asked = useQuery({ queryKey: ['preview', customer, rule], queryFn: () => get<{ preview: { steps: Step[] } }>('/v1/preview', { customer, rule }), retry: false });
  return (
    <Loaded asked={asked}>
      {({ preview }) => (
        <Flex vertical gap="small">
          {preview.steps.map((step) => (
            <Card key={step.step} size="small" title={`${step.step} · ${step.kind}`}>
              {step.error && <Alert type="error" title={step.error} />}
              {step.policy && step.policy.verdict !== 'allow' && <Alert type="warning" title={`${step.policy.verdict}: ${step.policy.words ?? ''}`} />}
              {step.payload && <Descriptions column={1} size="small" items={Object.entries(step.payload).map(([name, value]) => ({ key: name, label: name, children: <span className="breakable">{valueText(value)}</span> }))} />}
            </Card>
          ))}
        </Flex>
      )}
    </Loaded>
  );
}

export function TryRule({ rule, customer, choose }: { rule: string; customer: string; choose: (customer: string) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(customer);
  return (
    <>
      <Space.Compact style={{ marginBottom: 16 }}>
        <Input aria-label={t('rule.tryHint')} placeholder={t('rule.tryHint')} value={typed} onChange={(event) => setTyped(event.target.value)} onPressEnter={() => choose(typed.trim())} />
        <Button type="primary" onClick={() => choose(typed.trim())}>
          {t('rule.tryButton')}
        </Button>
      </Space.Compact>
      {customer ? (
        <>
          <ExplanationOf customer={customer} rule={rule} />
          <h2>{t('rule.preview')}</h2>
          <PreviewOf customer={customer} rule={rule} />
        </>
      ) : (
        <Nothing words={t('rule.tryEmpty')} />
      )}
    </>
  );
}
