// The one table of the console: columns that say how to be exported, filters kept in the address, pages by cursor, an empty state that
// says what to do.
import { Button, Flex, Space, Table } from 'antd';
import type { ColumnType } from 'antd/es/table';
import { useState, type HTMLAttributes, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotice } from './notice';
import { Nothing, valueText } from './show';

export interface Column<Row> extends ColumnType<Row> {
  key: string;
  title: string;
  /** The cell as text, for the export and for sorting. */
  text: (row: Row) => string | number | null | undefined;
  sortable?: boolean;
}

interface Props<Row extends object> {
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  name: string;
  empty: string;
  emptyAction?: ReactNode;
  filters?: ReactNode;
  loading?: boolean;
  more?: () => void;
  loadingMore?: boolean;
  /** Brings every row that the filters let through, for the export; without it what is shown is exported. */
  all?: (progress: (count: number) => void) => Promise<Row[]>;
  expand?: (row: Row) => ReactNode;
  /** What a row can do besides, as being dragged. */
  row?: (row: Row) => HTMLAttributes<HTMLElement>;
}

// A cell that a spreadsheet would take for a formula is told to be text.
function csvCell(value: unknown): string {
  const text = valueText(value);
  const safe = typeof value !== 'number' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function save(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob(['\ufeff', text], { type: 'text/csv;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function DataTable<Row extends object>({ columns, rows, rowKey, name, empty, emptyAction, filters, loading, more, loadingMore, all, expand, row }: Props<Row>) {
  const { t } = useTranslation();
  const message = useNotice();
  const [exported, setExported] = useState<number | null>(null);
  const shown = columns.map((column) => ({
    ...column,
    render: column.render ?? ((_: unknown, row: Row) => valueText(column.text(row))),
    ...(column.sortable && {
      sorter: (a: Row, b: Row) => {
        const [x, y] = [column.text(a) ?? '', column.text(b) ?? ''];
        return typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y));
      },
    }),
  }));
  const exportAll = async () => {
    try {
      setExported(0);
      const everything = all ? await all(setExported) : rows;
      const lines = [columns.map((column) => csvCell(column.title)), ...everything.map((row) => columns.map((column) => csvCell(column.text(row))))];
      save(`${name}.csv`, lines.map((cells) => cells.join(',')).join('\r\n') + '\r\n');
    } catch (error) {
      void message.error(error instanceof Error ? error.message : String(error));
    } finally {
      setExported(null);
    }
  };
  const copy = () => void navigator.clipboard?.writeText(location.href).then(() => message.success(t('table.copied')));
  return (
    <>
      <Flex className="table-tools" gap="small" wrap justify={filters ? 'space-between' : 'end'} align="center">
        {filters && <Space wrap>{filters}</Space>}
        <Space wrap>
          <span className="quiet" aria-live="polite">{exported !== null ? t('table.exporting', { count: exported }) : t('table.count', { count: rows.length })}</span>
          <Button onClick={copy}>{t('table.link')}</Button>
          <Button onClick={() => void exportAll()} disabled={rows.length === 0} loading={exported !== null}>
            {t('table.export')}
          </Button>
        </Space>
      </Flex>
      {/* Scrolls by itself, so that the keyboard can reach what is wider than the screen. */}
      <div className="table-scroll" role="region" aria-label={name} tabIndex={0}>
      <Table<Row>
        columns={shown}
        dataSource={rows}
        rowKey={rowKey}
        size="middle"
        loading={loading}
        onRow={row}
        pagination={rows.length > 100 ? { pageSize: 100, showSizeChanger: false, hideOnSinglePage: true } : false}
        expandable={expand && { expandedRowRender: expand, columnTitle: <span className="unseen">{t('table.details')}</span> }}
        locale={{ emptyText: <Nothing words={empty}>{emptyAction}</Nothing> }}
      />
      </div>
      {more && (
        <Flex justify="center" className="table-more">
          <Button onClick={more} loading={loadingMore}>
            {t('table.more')}
          </Button>
        </Flex>
      )}
    </>
  );
}
