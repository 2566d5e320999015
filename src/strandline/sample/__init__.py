"""A sample CRM and a sample shop, served over HTTP, for the demo, the tutorial and tests.

    with SampleServer() as server:
        ...                 # read server.crm_url and server.shop_url
        server.advance()    # the next day: read again

The world of the default size and seed, on its first day:

    5,000 customers     7 of them broken in 7 ways; 14 to 16 fields, custom ones included
      800 products      in 8 categories, none broken
   30,000 orders        over two years, one product each; 5 of them broken in 5 ways
                        1,243 by guests (`customerId` null)
                           98 by 14 customers whom the CRM does not know
                           39 by customers whose own record is broken

Each day 120 customers change, 20 are new (4 of whom the shop knew before), 1 broken one is fixed, 150 orders
are new, 60 move on, and 5 products change their price category.
"""

from strandline.sample.server import SampleServer, serve
from strandline.sample.world import Changes, Day, SampleWorld

__all__ = ["Changes", "Day", "SampleServer", "SampleWorld", "serve"]
