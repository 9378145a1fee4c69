// For how many customers each part of a condition holds, and how many are left behind each: where a rule loses them.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Button, Flex, Progress } from 'antd';
import { useTranslation } from 'react-i18next';
import { get, segment } from '../api/client';
import { At, Loaded, Nothing } from './show';
import { number } from './time';

interface Part {
  text: string;
  holds: number;
  so_far: number | null;
  parts: Part[];
}
interface Counted {
  at: string;
  customers: number;
  holds: number;
  parts: Part[];
}

function Row({ part, of }: { part: Part; of: number }) {
  const { t } = useTranslation();
  const words = t('counts.holds', { holds: number(part.holds), of: number(of) });
  return (
    <li>
      <div className="counted">
        <span className="grow">{part.text}</span>
        <Progress aria-label={`${part.text}: ${words}`} percent={of ? (100 * part.holds) / of : 0} showInfo={false} status="normal" size="small" className="bar-of" />
        <span className="figure-of">{number(part.holds)}</span>
        <span className="figure-of quiet">{part.so_far === null ? '' : t('counts.left', { count: number(part.so_far) })}</span>
      </div>
      {part.parts.length > 0 && (
        <ul className="part">
          {part.parts.map((each, at) => (
            <Row key={at} part={each} of={of} />
          ))}
        </ul>
      )}
    </li>
  );
}

export function Counts({ kind, name }: { kind: 'rules' | 'segments'; name: string }) {
  const { t } = useTranslation();
  const asked = useQuery({
    queryKey: ['parts', kind, name],
    queryFn: ({ signal }) => get<Counted>(`/v1/${kind}/${segment(name)}/parts`, {}, signal),
    staleTime: 30_000,
    placeholderData: keepPreviousData,
  });
  return (
    <Loaded asked={asked}>
      {(counted) => (
        <>
          <Flex justify="space-between" align="center" wrap gap="small">
            <p>
              {t('counts.all', { holds: number(counted.holds), customers: number(counted.customers) })} <span className="quiet"><At at={counted.at} /></span>
            </p>
            <Button loading={asked.isFetching} onClick={() => void asked.refetch()}>
              {t('counts.again')}
            </Button>
          </Flex>
          {counted.parts.length === 0 ? (
            <Nothing words={t('counts.none')} />
          ) : (
            <ul className="part counts">
              {counted.parts.map((part, at) => (
                <Row key={at} part={part} of={counted.customers} />
              ))}
            </ul>
          )}
          <p className="quiet">{t('counts.hint')}</p>
        </>
      )}
    </Loaded>
  );
}
