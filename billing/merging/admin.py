from billing.merging.page_actions import Merge
from customers.admin import CustomerAdmin

CustomerAdmin.extend(page_actions=[Merge()])
