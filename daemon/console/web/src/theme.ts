import type { ThemeConfig } from 'antd';

// The one look of the console. scripts/styles.tsx makes the style sheet from it at build time: the page's content security policy
// allows no style that a script writes, so nothing is made in the browser (zeroRuntime).
export const theme: ThemeConfig = {
  cssVar: { key: 'nudge' },
  hashed: false,
  token: {
    colorPrimary: '#0b57a4',
    colorLink: '#0b57a4',
    colorInfo: '#0b57a4',
    colorSuccess: '#237a3b',
    colorWarning: '#9a5b00',
    colorError: '#b3261e',
    // The palette would make mud of colours this dark; these are tints of them, on which their text keeps its contrast.
    colorPrimaryBg: '#e8f1fb',
    colorPrimaryBgHover: '#d6e6f8',
    colorInfoBg: '#e8f1fb',
    colorInfoBorder: '#b5d2f0',
    colorSuccessBg: '#e7f5ea',
    colorSuccessBorder: '#b4dbbd',
    colorWarningBg: '#fff4df',
    colorWarningBorder: '#f0d49a',
    colorErrorBg: '#fdebe9',
    colorErrorBorder: '#f3bdb8',
    // The library's own greys miss WCAG AA's 4.5 : 1 on tinted rows.
    colorTextSecondary: '#4b5563',
    colorTextTertiary: '#5b6472',
    colorTextDescription: '#5b6472',
    colorTextPlaceholder: '#6b7280',
    colorTextDisabled: '#6b7280',
    borderRadius: 6,
    fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif",
  },
};
