"""The application layer: what runs."""

from model import CrmCustomer, ShopOrder, ShopProduct
from source import Crm, Shop

from strandline import Pipeline

sales = Pipeline("sales")
sales.sync(Crm.customers, CrmCustomer)
sales.sync(Shop.products, ShopProduct)
sales.sync(Shop.orders, ShopOrder)
