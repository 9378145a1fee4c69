// Writes the style sheets of the component library for our theme: src/generated/first.css for what the first view shows, menu.css for the
// menu at the side, rest.css for the rest. Run by `npm run build`.
import { extractStyle } from '@ant-design/static-style-extract';
import { ConfigProvider } from 'antd';
import { createElement } from 'react';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { ReactNode } from 'react';
import { theme } from '../src/theme.ts';

const first = ['Form', 'Card', 'Button', 'Tag', 'Input', 'Flex', 'Typography', 'Badge', 'Segmented', 'Empty', 'Alert', 'Spin', 'Drawer', 'Skeleton', 'message'];
const menu = ['Menu'];
const rest = ['Space', 'Divider', 'Table', 'Pagination', 'Select', 'Dropdown', 'Checkbox', 'Radio', 'Descriptions', 'Tabs', 'Timeline', 'Modal', 'Tooltip', 'Popover', 'Progress', 'DatePicker', 'Tree', 'Statistic', 'Steps', 'Switch', 'InputNumber', 'Upload', 'Breadcrumb', 'Result', 'Collapse', 'Avatar', 'AutoComplete', 'Popconfirm', 'notification'];

const themed = (node: ReactNode) => createElement(ConfigProvider, { theme }, node);
const folder = new URL('../src/generated/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [name, includes] of Object.entries({ first, menu, rest })) {
  const css = extractStyle({ includes, customTheme: themed } as never);
  writeFileSync(new URL(`${name}.css`, folder), css);
  console.log(`${name}.css: ${css.length} bytes`);
}
