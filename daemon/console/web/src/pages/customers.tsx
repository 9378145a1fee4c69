// Customers, found by the beginning of their id.
import { Input } from 'antd';
import { useDeferredValue } from 'react';
import { useTranslation } from 'react-i18next';
import { usePages } from '../ui/pages';
import { CustomerLink, Failure, Page } from '../ui/show';
import { DataTable, type Column } from '../ui/table';
import { useUrlState } from '../ui/url';
import '../generated/rest.css';

export default function Customers() {
  const { t } = useTranslation();
  const [url, setUrl] = useUrlState();
  const prefix = useDeferredValue(url['q'] ?? '');
  const pages = usePages<string>('/v1/customers', { prefix }, 'customers', 'after', { limit: 100 });
  const rows = pages.rows.map((id) => ({ id }));
  const columns: Column<{ id: string }>[] = [{ key: 'id', title: t('common.customer'), text: (each) => each.id, render: (_, each) => <CustomerLink id={each.id} /> }];
  return (
    <Page title={t('customers.title')}>
      {pages.asked.error && rows.length === 0 ? (
        <Failure error={pages.asked.error} retry={() => void pages.asked.refetch()} />
      ) : (
        <DataTable
          name="customers"
          columns={columns}
          rows={rows}
          rowKey={(each) => each.id}
          empty={t('customers.empty')}
          loading={pages.asked.isPending}
          more={pages.more}
          loadingMore={pages.asked.isFetchingNextPage}
          all={async (progress) => (await pages.all(progress)).map((id) => ({ id }))}
          filters={<Input.Search allowClear aria-label={t('customers.search')} placeholder={t('customers.search')} defaultValue={url['q']} onChange={(event) => setUrl({ q: event.target.value })} />}
        />
      )}
    </Page>
  );
}
