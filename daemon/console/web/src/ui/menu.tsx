// The menu at the side, with its styles.
import '../generated/menu.css';
import { Menu } from 'antd';
import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import type { Place } from '../app';

export default function SideMenu({ places, place }: { places: Place[]; place: string }) {
  const { t } = useTranslation();
  const groups = [...new Set(places.map((each) => each.group))];
  const chosen = places.find((each) => place.startsWith(each.path))?.path;
  return (
    <Menu
      mode="inline"
      selectedKeys={chosen ? [chosen] : []}
      items={groups.map((group) => ({
        type: 'group' as const,
        key: group,
        label: t(group),
        children: places
          .filter((each) => each.group === group)
          .map((each) => ({ key: each.path, label: <Link href={each.path} aria-current={each.path === chosen ? 'page' : undefined}>{t(each.words)}</Link> })),
      }))}
    />
  );
}
