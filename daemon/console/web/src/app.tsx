// The frame: who is here, where they can go, and the page they are on. Pages are loaded when they are gone to.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, Button, Grid, Skeleton } from 'antd';
import { Component, lazy, Suspense, useEffect, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, Redirect, Route, Switch, useLocation } from 'wouter';
import { ApiError, del, get, setCsrf, whenLoggedOut } from './api/client';
import type { Role, Session } from './api/types';
import { chooseLanguage } from './i18n';
import type { Word } from './i18n/en';
import { MyDay } from './pages/day';
import { may, open, SessionContext } from './ui/session';
import { Failure, Nothing } from './ui/show';

const Login = lazy(() => import('./pages/login'));
const Reasons = lazy(() => import('./ui/reason'));
const SideMenu = lazy(() => import('./ui/menu'));
const pages = {
  team: lazy(() => import('./pages/team')),
  leads: lazy(() => import('./pages/leads')),
  funnel: lazy(() => import('./pages/funnel')),
  rules: lazy(() => import('./pages/rules')),
  rule: lazy(() => import('./pages/rule')),
  segments: lazy(() => import('./pages/segments')),
  segment: lazy(() => import('./pages/segment')),
  customers: lazy(() => import('./pages/customers')),
  customer: lazy(() => import('./pages/customer')),
  deliveries: lazy(() => import('./pages/deliveries')),
  quarantine: lazy(() => import('./pages/quarantine')),
  connectors: lazy(() => import('./pages/connectors')),
  system: lazy(() => import('./pages/system')),
  audit: lazy(() => import('./pages/audit')),
  people: lazy(() => import('./pages/people')),
};

export interface Place {
  path: string;
  words: Word;
  group: Word;
  roles: Role[];
}
const reader: Role[] = ['viewer', 'salesperson', 'manager', 'author', 'operator'];
const knower: Role[] = ['salesperson', 'manager', 'author', 'operator'];
export const places: Place[] = [
  { path: '/day', words: 'nav.day', group: 'nav.work', roles: ['salesperson', 'manager', 'operator'] },
  { path: '/team', words: 'nav.team', group: 'nav.work', roles: ['manager', 'operator'] },
  { path: '/leads', words: 'nav.leads', group: 'nav.work', roles: ['salesperson', 'manager', 'operator'] },
  { path: '/funnel', words: 'nav.funnel', group: 'nav.work', roles: ['salesperson', 'manager', 'operator'] },
  { path: '/customers', words: 'nav.customers', group: 'nav.work', roles: knower },
  { path: '/rules', words: 'nav.rules', group: 'nav.operate', roles: reader },
  { path: '/segments', words: 'nav.segments', group: 'nav.operate', roles: reader },
  { path: '/deliveries', words: 'nav.deliveries', group: 'nav.operate', roles: knower },
  { path: '/quarantine', words: 'nav.quarantine', group: 'nav.run', roles: ['operator'] },
  { path: '/connectors', words: 'nav.connectors', group: 'nav.run', roles: reader },
  { path: '/system', words: 'nav.system', group: 'nav.run', roles: reader },
  { path: '/audit', words: 'nav.audit', group: 'nav.run', roles: [] },
  { path: '/people', words: 'nav.people', group: 'nav.run', roles: [] },
];

class Guard extends Component<{ children: ReactNode; place: string }, { error: unknown }> {
  override state = { error: null as unknown };
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  override componentDidUpdate(before: { place: string }) {
    if (before.place !== this.props.place && this.state.error) this.setState({ error: null });
  }
  override render() {
    if (this.state.error) return <Failure error={this.state.error} retry={() => location.reload()} />;
    return this.props.children;
  }
}

function useSessionOf() {
  const client = useQueryClient();
  const [loggedOut, setLoggedOut] = useState(false);
  const asked = useQuery({
    queryKey: ['session'],
    queryFn: () => get<Session>('/v1/session'),
    retry: false,
    refetchInterval: 5 * 60_000,
  });
  useEffect(() => whenLoggedOut(() => setLoggedOut(true)), []);
  useEffect(() => setCsrf(asked.data?.csrf ?? null), [asked.data]);
  const entered = () => {
    setLoggedOut(false);
    void client.resetQueries();
  };
  return { asked, loggedOut, entered };
}

export function Console() {
  const { asked, loggedOut, entered } = useSessionOf();
  const refused = asked.error instanceof ApiError && asked.error.status === 401;
  if (loggedOut || refused) return (
      <Suspense fallback={null}>
        <Login entered={entered} />
      </Suspense>
    );
  if (asked.data) {
    setCsrf(asked.data.csrf);
    return <Frame session={asked.data} left={entered} />;
  }
  return <main className="login">{asked.error ? <Failure error={asked.error} retry={() => void asked.refetch()} /> : <Skeleton active title={false} />}</main>;
}

function Frame({ session, left }: { session: Session; left: () => void }) {
  const { t, i18n } = useTranslation();
  const wide = Grid.useBreakpoint().md ?? window.innerWidth >= 768;
  const [place] = useLocation();
  const [shown, setShown] = useState(false);
  const allowed = places.filter((each) => may(session, ...each.roles));
  const home = may(session, 'author', 'operator', 'viewer') ? '/rules' : '/day';
  const phone = allowed.filter((each) => ['/day', '/team', '/customers', '/rules'].includes(each.path));
  useEffect(() => setShown(false), [place]);
  const logOut = () => void del('/v1/session').finally(left);
  return (
    <SessionContext.Provider value={session}>
      <div className="frame">
        <a className="skip" href="#content">
          {t('app.skip')}
        </a>
        <header className="bar">
          <Link href={home} className="brand">
            <img src="/console/icon.svg" alt="" />
            {t('app.name')}
          </Link>
          <span className="grow" />
          {!wide && (
            <Button aria-expanded={shown} onClick={() => setShown(!shown)}>
              {t('app.menu')}
            </Button>
          )}
          <Button lang={i18n.language === 'zh' ? 'en' : 'zh-CN'} onClick={() => void chooseLanguage(i18n.language === 'zh' ? 'en' : 'zh')}>
            {t('app.language')}
          </Button>
          {!open(session) && <Button onClick={logOut}>{t('app.logout')}</Button>}
        </header>
        <div style={{ display: 'flex' }}>
          {(wide || shown) && (
            <nav className="sider" aria-label={t('app.menu')} style={{ width: wide ? 208 : '100%', flex: wide ? '0 0 208px' : '1 0 100%' }}>
              <Suspense fallback={<Skeleton active title={false} />}>
                <SideMenu places={allowed} place={place} />
              </Suspense>
            </nav>
          )}
          <main id="content" tabIndex={-1} className={wide ? 'content' : 'content with-tabbar'} style={{ flex: 1, display: !wide && shown ? 'none' : undefined }}>
            {open(session) && wide && place !== '/day' && <Alert type="info" showIcon closable title={t('app.open')} style={{ marginBottom: 16 }} />}
            <Guard place={place}>
              <Suspense fallback={<Skeleton active title={false} paragraph={{ rows: 8 }} />}>
                <Switch>
                  <Route path="/"><Redirect to={home} replace /></Route>
                  <Route path="/day"><MyDay /></Route>
                  <Route>
                    <Reasons>
                      <Switch>
                  <Route path="/team"><pages.team /></Route>
                  <Route path="/leads"><pages.leads /></Route>
                  <Route path="/funnel"><pages.funnel /></Route>
                  <Route path="/rules"><pages.rules /></Route>
                  <Route path="/rules/:name">{({ name }) => <pages.rule name={decodeURIComponent(name)} />}</Route>
                  <Route path="/segments"><pages.segments /></Route>
                  <Route path="/segments/:name">{({ name }) => <pages.segment name={decodeURIComponent(name)} />}</Route>
                  <Route path="/customers"><pages.customers /></Route>
                  <Route path="/customers/:id">{({ id }) => <pages.customer id={decodeURIComponent(id)} />}</Route>
                  <Route path="/deliveries"><pages.deliveries /></Route>
                  <Route path="/quarantine"><pages.quarantine /></Route>
                  <Route path="/connectors"><pages.connectors /></Route>
                  <Route path="/system"><pages.system /></Route>
                  <Route path="/audit"><pages.audit /></Route>
                  <Route path="/people"><pages.people /></Route>
                  <Route><Nothing words={t('error.notFound')} /></Route>
                      </Switch>
                    </Reasons>
                  </Route>
                </Switch>
              </Suspense>
            </Guard>
          </main>
        </div>
        {!wide && (
          <nav className="tabbar" aria-label={t('nav.work')}>
            {phone.map((each) => (
              <Link key={each.path} href={each.path} aria-current={place.startsWith(each.path) ? 'page' : undefined}>
                {t(each.words)}
              </Link>
            ))}
          </nav>
        )}
      </div>
    </SessionContext.Provider>
  );
}
