// The people of a team as cards: what each has against what each can take. A task is dropped on who shall have it.
import { Flex, Progress, Tag } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Member, Task, Team } from '../api/types';

export const dragged = 'application/x-nudge-task';

function Person({ member, overdue, drop }: { member: Member; overdue: number; drop: (task: string, member: Member) => void }) {
  const { t } = useTranslation();
  const [over, setOver] = useState(false);
  const full = member.capacity > 0 ? Math.round((100 * member.load) / member.capacity) : 0;
  return (
    <li
      className={`person ${over ? 'is-over' : ''}`}
      onDragOver={(event) => {
        if (!event.dataTransfer.types.includes(dragged)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        drop(event.dataTransfer.getData(dragged), member);
      }}
    >
      <Flex justify="space-between" gap="small" wrap>
        <strong>{member.name || member.id}</strong>
        {member.absent ? <Tag color="warning">{t('team.away', { until: member.absent_until })}</Tag> : member.working ? <Tag color="success">{t('team.working')}</Tag> : <Tag>{t('team.off')}</Tag>}
      </Flex>
      {member.capacity > 0 && <Progress percent={Math.min(100, full)} status={full >= 100 ? 'exception' : 'normal'} showInfo={false} size="small" aria-label={t('team.loadOf', { name: member.name || member.id })} />}
      <span className="quiet">
        {member.capacity > 0 ? t('team.units', { load: member.load, capacity: member.capacity }) : t('team.unitsOpen', { count: member.load })} ·{' '}
        {member.per_day > 0 ? t('team.today', { today: member.today, most: member.per_day }) : t('team.todayOpen', { count: member.today })}
        {overdue > 0 && <strong className="is-bad"> · {t('team.overdueOf', { count: overdue })}</strong>}
      </span>
    </li>
  );
}

export function People({ team, tasks, drop }: { team: Team; tasks: Task[]; drop: (task: string, member: Member) => void }) {
  const { t } = useTranslation();
  return (
    <section>
      <Flex justify="space-between" wrap gap="small" align="baseline">
        <h2>{team.name}</h2>
        <span className="quiet">
          {t('team.openOf', { count: team.open })} · {t('team.inPool', { count: team.in_pool })}
          {team.manager && ` · ${t('team.manager', { name: team.manager })}`}
        </span>
      </Flex>
      <ul className="people">
        {team.members.map((member) => (
          <Person key={member.id} member={member} overdue={tasks.filter((task) => task.owner === member.id && task.overdue).length} drop={drop} />
        ))}
      </ul>
    </section>
  );
}
