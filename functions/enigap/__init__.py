"""enigap: does the network traffic that EKS nodes count agree with what their network interfaces carried?"""
