import './generated/first.css';
import './app.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StyleProvider } from '@ant-design/cssinjs';
import { ConfigProvider } from 'antd';
import enGB from 'antd/es/locale/en_GB';
import type { Locale } from 'antd/es/locale';
import { StrictMode, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { useTranslation } from 'react-i18next';
import { Router } from 'wouter';
import { ApiError } from './api/client';
import { Console } from './app';
import { startWords } from './i18n';
import { theme } from './theme';
import { Notices } from './ui/notice';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // What was refused will be refused again; what got no answer may get one.
      retry: (count, error) => error instanceof ApiError && (error.offline || error.status >= 500) && count < 2,
      staleTime: 2000,
      gcTime: 10 * 60_000,
    },
  },
});

// Where the library would write its styles if it did. They are in the style sheet already, and the page's policy allows no others: a place
// outside of the document keeps the browser from complaining.
const nowhere = document.createElement('div');

// For who wants no motion the library is told so: a style sheet that only forbids it leaves dialogs waiting for the end of an animation that never began.
const motion = !window.matchMedia('(prefers-reduced-motion: reduce)').matches;

function Root() {
  const { i18n } = useTranslation();
  const [locale, setLocale] = useState<Locale>(enGB);
  useEffect(() => {
    if (i18n.language === 'zh') void import('antd/es/locale/zh_CN').then((words) => setLocale(words.default));
    else setLocale(enGB);
  }, [i18n.language]);
  return (
    <StyleProvider container={nowhere}>
    <ConfigProvider theme={{ ...theme, zeroRuntime: true, token: { ...theme.token, motion } }} locale={locale} button={{ autoInsertSpace: false }}>
      <Notices>
        <QueryClientProvider client={client}>
          <Router base="/console">
            <Console />
          </Router>
        </QueryClientProvider>
      </Notices>
    </ConfigProvider>
    </StyleProvider>
  );
}

void startWords().then(() =>
  createRoot(document.getElementById('root')!).render(
    <StrictMode>
      <Root />
    </StrictMode>,
  ),
);
