import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';
import { en } from './en';

export type Language = 'en' | 'zh';
const kept = 'nudge.language';

export function language(): Language {
  const chosen = localStorage.getItem(kept) ?? navigator.language;
  return chosen.startsWith('zh') ? 'zh' : 'en';
}

/** Loads the words of the chosen language. Chinese comes as a file of its own, so that nobody waits for words he doesn't read. */
export async function startWords(): Promise<void> {
  await i18next.use(initReactI18next).init({ lng: 'en', fallbackLng: 'en', keySeparator: false, nsSeparator: false, interpolation: { escapeValue: false }, resources: { en: { translation: en } } });
  await changeLanguage(language());
}

export async function changeLanguage(to: Language): Promise<void> {
  if (to === 'zh' && !i18next.hasResourceBundle('zh', 'translation')) i18next.addResourceBundle('zh', 'translation', (await import('./zh')).zh);
  await i18next.changeLanguage(to);
  document.documentElement.lang = to === 'zh' ? 'zh-CN' : 'en';
}

export async function chooseLanguage(to: Language): Promise<void> {
  localStorage.setItem(kept, to);
  await changeLanguage(to);
}
