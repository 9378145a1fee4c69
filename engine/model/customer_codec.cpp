#include "engine/model/customer.h"
